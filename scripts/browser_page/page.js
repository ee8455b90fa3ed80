"use strict";
// The page: which agent plays, what it shows, and what the buttons do.

const AGENTS = JSON.parse(document.getElementById("agents").textContent);
const $ = (id) => document.getElementById(id);
const TITLES = { "CartPole-v1": "CartPole", "Pendulum-v1": "Pendulum" };
const RANGES = { "CartPole-v1": [0, 100], "Pendulum-v1": [-120, 0] }; // of the value bar
const PAUSE_SECONDS = 1.2; // between two episodes

let envId, env, agent, episode;
let paused = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
let [waited, last] = [0, null];

function choose(name) {
  envId = name in AGENTS ? name : Object.keys(AGENTS)[0];
  [env, agent] = [ENVIRONMENTS[envId], makeAgent(AGENTS[envId])];
  document.querySelectorAll("#choice button").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.value === envId));
  });
  for (const name of ["discrete", "continuous"]) $(name).hidden = (name === "discrete") !== (AGENTS[envId].std === null);
  const { about } = AGENTS[envId];
  $("about").textContent = about;
  $("scene").setAttribute("aria-label", `${TITLES[envId]}, played by the agent`);
  begin();
}

function begin() {
  const state = env.first();
  episode = { state, before: state, step: 0, sum: 0, reward: 0, over: "", waited: 0, push: 0, values: [], trail: [] };
  decide();
}

/** Let the agent look at the present state. */
function decide() {
  const observation = env.observation(episode.state);
  episode.policy = agent.policy(observation);
  episode.action = ($("draws").checked ? draw : mode)(episode.policy);
  episode.values = [...episode.values, agent.value(observation)].slice(-200);
}

function step() {
  const result = env.step(episode.state, episode.action);
  episode.before = episode.state;
  episode.trail = [...episode.trail, episode.state[0]].slice(-24);
  Object.assign(episode, { state: result.state, step: episode.step + 1, reward: result.reward });
  episode.sum += result.reward;
  episode.push *= Math.abs(episode.push) > 0.05 ? 0.9 : 0;
  if (result.terminated) episode.over = `Lost after ${episode.step} steps`;
  else if (episode.step >= env.limit) episode.over = `${env.limit} steps: the time limit`;
  decide();
}

function push(direction) {
  if (episode.over) return;
  episode.state = env.push(episode.state, direction * env.pushSpeed);
  episode.push = direction;
  decide();
  show(1);
}

function show(share) {
  const { before, state, action, policy, over } = episode;
  const between = state.map((now, i) => before[i] + (now - before[i]) * share);
  SCENES[envId]($("scene"), between, over ? null : action, episode.push, episode.trail);
  const number = (x, digits) => x.toFixed(digits).replace("-", "\u2212");
  const value = episode.values.at(-1);
  $("steps").textContent = episode.step;
  $("reward").textContent = number(episode.reward, envId === "CartPole-v1" ? 0 : 2);
  $("return").textContent = number(episode.sum, envId === "CartPole-v1" ? 0 : 1);
  $("value").textContent = number(value, 1);
  const [low, high] = RANGES[envId];
  $("value-bar").style.width = `${100 * clip((value - low) / (high - low), 0, 1)}%`;
  drawHistory($("history"), episode.values, RANGES[envId]);
  if (policy.probabilities) {
    policy.probabilities.forEach((probability, i) => {
      $(`bar${i}`).style.width = `${100 * probability}%`;
      $(`bar${i}`).classList.toggle("taken", i === action);
      $(`probability${i}`).textContent = probability.toFixed(2);
    });
  } else {
    $("moments").textContent = `mean ${number(policy.mean, 2)}, std ${number(policy.std, 2)}, taken ${number(action, 2)}`;
    drawDensity($("density"), policy, action);
  }
  $("message").textContent = over || (paused ? "Paused" : "");
  $("pause").textContent = paused ? "Play" : "Pause";
}

function frame(now) {
  const seconds = last === null ? 0 : Math.min((now - last) / 1000, 0.1); // a hidden page does not catch up
  last = now;
  if (!paused) {
    waited += seconds * Number($("speed").value);
    if (episode.over && (episode.waited += seconds) > PAUSE_SECONDS) begin();
    while (!episode.over && waited >= env.seconds) {
      waited -= env.seconds;
      step();
    }
    if (episode.over) waited = 0;
  }
  show(paused || episode.over ? 1 : waited / env.seconds);
  requestAnimationFrame(frame);
}

const ACTIONS = {
  left: () => push(-1),
  right: () => push(1),
  pause: () => (paused = !paused),
  reset: begin,
};
for (const [name, action] of Object.entries(ACTIONS)) $(name).addEventListener("click", action);
const KEYS = { ArrowLeft: "left", ArrowRight: "right", " ": "pause", r: "reset" };
document.addEventListener("keydown", (event) => {
  const used = event.target.tagName === "INPUT" || (event.target.tagName === "BUTTON" && event.key === " ");
  if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || used) return;
  event.preventDefault();
  ACTIONS[KEYS[event.key]]();
});
for (const name of Object.keys(AGENTS)) {
  const button = Object.assign(document.createElement("button"), { value: name, textContent: TITLES[name] });
  button.addEventListener("click", () => choose(name));
  $("choice").append(button);
}
$("speed").addEventListener("input", () => ($("times").textContent = `${$("speed").value}×`));
choose(window.location.hash.slice(1));
requestAnimationFrame(frame);
