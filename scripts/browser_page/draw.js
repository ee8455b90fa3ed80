"use strict";
// What is drawn on the three canvases.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** The context of a canvas in CSS pixels, cleared, with its width and height. */
function cleared(canvas) {
  const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

function line(context, from, to, style, width, cap = "round") {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  Object.assign(context, { strokeStyle: style, lineWidth: width, lineCap: cap });
  context.stroke();
}

function disc(context, [x, y], radius, style) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = style;
  context.fill();
}

function arrow(context, [x, y], length, style, width) {
  if (Math.abs(length) < 2) return;
  const head = Math.sign(length) * Math.min(12, Math.abs(length));
  line(context, [x, y], [x + length - head / 2, y], style, width, "butt");
  context.beginPath();
  context.moveTo(x + length, y);
  context.lineTo(x + length - head, y - 8);
  context.lineTo(x + length - head, y + 8);
  context.fillStyle = style;
  context.fill();
}

const SCENES = {
  "CartPole-v1"(canvas, [x, , theta], action, push) {
    const { context, width, height } = cleared(canvas);
    const scale = Math.min(width / 5.2, height / 1.75); // pixels in a metre
    const [ground, middle] = [height / 2 + 0.45 * scale, width / 2];
    line(context, [0, ground + 0.22 * scale], [width, ground + 0.22 * scale], colour("line"), 2);
    for (const side of [-2.4, 2.4]) {
      const post = middle + side * scale;
      line(context, [post, ground + 0.06 * scale], [post, ground + 0.38 * scale], colour("bad"), 3);
    }
    const [cart, axle] = [middle + x * scale, ground - 0.08 * scale];
    context.fillStyle = colour("faint"); // where the pole may lean
    context.beginPath();
    context.moveTo(cart, axle);
    context.arc(cart, axle, scale, -Math.PI / 2 - Math.PI / 15, -Math.PI / 2 + Math.PI / 15);
    context.fill();
    const tip = [cart + Math.sin(theta) * scale, axle - Math.cos(theta) * scale];
    context.fillStyle = colour("ink");
    context.beginPath();
    context.roundRect(cart - 0.26 * scale, ground - 0.08 * scale, 0.52 * scale, 0.22 * scale, 5);
    context.fill();
    for (const side of [-0.15, 0.15]) disc(context, [cart + side * scale, ground + 0.16 * scale], 0.06 * scale, colour("muted"));
    line(context, [cart, axle], tip, colour("pole"), 0.085 * scale);
    disc(context, [cart, axle], 0.05 * scale, colour("card"));
    if (action !== null) arrow(context, [cart + (action ? 0.3 : -0.3) * scale, ground + 0.03 * scale], (action ? 0.4 : -0.4) * scale, colour("accent"), 5);
    arrow(context, [tip[0] - Math.sign(push) * 0.55 * scale, tip[1]], push * 0.45 * scale, colour("good"), 7);
  },
  "Pendulum-v1"(canvas, [theta], action, push, trail) {
    const { context, width, height } = cleared(canvas);
    const [scale, middle, centre] = [height / 2.7, width / 2, height / 2];
    const place = (angle) => [middle - Math.sin(angle) * scale, centre - Math.cos(angle) * scale];
    context.beginPath();
    context.arc(middle, centre, scale, 0, 2 * Math.PI);
    Object.assign(context, { strokeStyle: colour("faint"), lineWidth: 2 });
    context.stroke();
    trail.forEach((angle, i) => {
      context.globalAlpha = (0.4 * i) / trail.length;
      disc(context, place(angle), 0.06 * scale, colour("pole"));
    });
    context.globalAlpha = 1;
    line(context, [middle, centre], place(theta), colour("pole"), 0.14 * scale);
    disc(context, place(theta), 0.13 * scale, colour("pole"));
    disc(context, [middle, centre], 0.06 * scale, colour("ink"));
    if (action) {
      // A positive torque turns against the clock, as the angle does.
      const [start, sweep, radius] = [-Math.PI / 2, -action * 0.75, 0.42 * scale];
      context.beginPath();
      context.arc(middle, centre, radius, start, start + sweep, sweep < 0);
      Object.assign(context, { strokeStyle: colour("accent"), lineWidth: 5, lineCap: "butt" });
      context.stroke();
      const end = start + sweep;
      context.save();
      context.translate(middle + Math.cos(end) * radius, centre + Math.sin(end) * radius);
      context.rotate(end + (sweep < 0 ? Math.PI : 0) + Math.PI / 2);
      arrow(context, [-6, 0], 14, colour("accent"), 1);
      context.restore();
    }
    const [x, y] = place(theta);
    arrow(context, [x - Math.sign(push) * 0.6 * scale, y], push * 0.5 * scale, colour("good"), 7);
  },
};

/** The values of the last states, the newest at the right edge. */
function drawHistory(canvas, values, [low, high]) {
  const { context, width, height } = cleared(canvas);
  if (values.length < 2) return;
  [low, high] = [Math.min(low, ...values), Math.max(high, ...values)];
  const place = (value, i) => [
    width - 4 - ((values.length - 1 - i) * (width - 8)) / 199,
    height - 4 - ((value - low) / (high - low)) * (height - 8),
  ];
  context.beginPath();
  values.forEach((value, i) => context.lineTo(...place(value, i)));
  Object.assign(context, { strokeStyle: colour("accent"), lineWidth: 2, lineJoin: "round" });
  context.stroke();
  disc(context, place(values.at(-1), values.length - 1), 3.5, colour("accent"));
}

/** The density of a Gaussian of the torque, its mean, and the torque that was taken. Beyond -2 and 2 it is clipped. */
function drawDensity(canvas, { mean, std }, action) {
  const { context, width, height } = cleared(canvas);
  const [base, x] = [height - 16, (torque) => 8 + ((torque + 4) / 8) * (width - 16)];
  context.beginPath();
  context.moveTo(x(-4), base);
  for (let torque = -4; torque <= 4.0001; torque += 0.02) {
    const density = Math.exp(-0.5 * ((torque - mean) / std) ** 2);
    context.lineTo(x(torque), base - density * (base - 6));
  }
  context.lineTo(x(4), base);
  context.fillStyle = colour("faint");
  context.fill();
  line(context, [x(-4), base], [x(4), base], colour("line"), 1);
  line(context, [x(clip(mean, -4, 4)), base], [x(clip(mean, -4, 4)), 6], colour("muted"), 2);
  disc(context, [x(action), base], 6, colour("accent"));
  Object.assign(context, { fillStyle: colour("muted"), font: "12px system-ui, sans-serif", textAlign: "center" });
  for (const torque of [-4, -2, 0, 2, 4]) context.fillText(torque, x(torque) - Math.sign(torque) * 2, height - 2);
}
