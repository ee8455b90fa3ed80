"use strict";
// The environments, with the equations of Gymnasium, and the network. Nothing in this part needs a page.

const clip = (x, low, high) => Math.min(Math.max(x, low), high);
const uniform = (low, high) => low + (high - low) * Math.random();

/** Every environment keeps its state in double precision, and gives observations in single precision, as Gymnasium does. */
const ENVIRONMENTS = {
  "CartPole-v1": {
    seconds: 0.02, // of one step
    limit: 500, // steps of an episode
    pushSpeed: 0.5, // radians per second that a push adds
    first: () => Array.from({ length: 4 }, () => uniform(-0.05, 0.05)),
    observation: (state) => state.map(Math.fround),
    push: ([x, xDot, theta, thetaDot], speed) => [x, xDot, theta, thetaDot + speed],
    step([x, xDot, theta, thetaDot], action) {
      const [gravity, total, massPole, half, tau] = [9.8, 1.1, 0.1, 0.5, 0.02];
      const [force, cos, sin] = [action === 1 ? 10 : -10, Math.cos(theta), Math.sin(theta)];
      const shared = (force + massPole * half * thetaDot * thetaDot * sin) / total;
      const turn = (gravity * sin - cos * shared) / (half * (4 / 3 - (massPole * cos * cos) / total));
      const pull = shared - (massPole * half * turn * cos) / total;
      const state = [x + tau * xDot, xDot + tau * pull, theta + tau * thetaDot, thetaDot + tau * turn];
      const fallen = Math.abs(state[0]) > 2.4 || Math.abs(state[2]) > (12 * 2 * Math.PI) / 360;
      return { state, reward: 1, terminated: fallen };
    },
  },
  "Pendulum-v1": {
    seconds: 0.05,
    limit: 200,
    pushSpeed: 4,
    first: () => [uniform(-Math.PI, Math.PI), uniform(-1, 1)],
    observation: ([theta, speed]) => [Math.cos(theta), Math.sin(theta), speed].map(Math.fround),
    /** A push of the tip to the side. Angles count against the clock, and 0 is upright. */
    push: ([theta, thetaDot], speed) => [theta, thetaDot - (Math.cos(theta) < 0 ? -speed : speed)],
    step([theta, thetaDot], action) {
      const torque = clip(Math.fround(action), -2, 2);
      const turns = (theta + Math.PI) / (2 * Math.PI);
      const angle = (turns - Math.floor(turns)) * 2 * Math.PI - Math.PI;
      const cost = angle * angle + 0.1 * thetaDot * thetaDot + 0.001 * torque * torque;
      const speed = clip(thetaDot + (15 * Math.sin(theta) + Math.fround(3 * torque)) * 0.05, -8, 8);
      return { state: [theta + speed * 0.05, speed], reward: -cost, terminated: false };
    },
  },
};

/** Single-precision numbers that the page carries as text. */
function numbers(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/** A layer that is ready to be used: weight is [outputs, inputs], row by row. */
const linear = ({ weight, bias }) => ({ weight: numbers(weight), bias: numbers(bias) });

function affine({ weight, bias }, input) {
  const output = new Array(bias.length);
  for (let row = 0; row < bias.length; row++) {
    let sum = bias[row];
    for (let i = 0; i < input.length; i++) sum += weight[row * input.length + i] * input[i];
    output[row] = sum;
  }
  return output;
}

/** Observations to features: running normalization, then layers with tanh. */
function encoder({ mean, variance, layers }) {
  const [means, variances, stack] = [numbers(mean), numbers(variance), layers.map(linear)];
  return (observation) => {
    const seen = observation.map((x, i) => clip((x - means[i]) / Math.sqrt(variances[i] + 1e-8), -10, 10));
    return stack.reduce((features, layer) => affine(layer, features).map(Math.tanh), seen);
  };
}

/** The policy and the value of one agent, from what scripts/browser_page.py writes. */
function makeAgent(data) {
  const encode = encoder(data.encoder);
  const encodeValue = data.value_encoder ? encoder(data.value_encoder) : encode;
  const [head, value] = [linear(data.head), linear(data.value)];
  return {
    value: (observation) => affine(value, encodeValue(observation))[0] * data.value_scale,
    /** The distribution of the actions: probabilities, or mean and std of a Gaussian. */
    policy(observation) {
      const output = affine(head, encode(observation));
      if (data.std !== null) return { mean: output[0], std: data.std };
      const weights = output.map((logit) => Math.exp(logit - Math.max(...output)));
      const sum = weights.reduce((a, b) => a + b);
      return { probabilities: weights.map((weight) => weight / sum) };
    },
  };
}

/** The most likely action. */
function mode({ probabilities, mean }) {
  return probabilities ? probabilities.indexOf(Math.max(...probabilities)) : clip(mean, -2, 2);
}

/** An action drawn from the policy. */
function draw({ probabilities, mean, std }) {
  if (probabilities) return Math.random() < probabilities[0] ? 0 : 1;
  const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return clip(mean + std * normal, -2, 2);
}
