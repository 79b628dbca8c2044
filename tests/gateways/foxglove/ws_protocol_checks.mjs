// Everything that Foxglove's own client can do, against a gateway, by both subprotocols:
// node ws_protocol_checks.mjs NODE_MODULES HOST:PORT
// Each line of the output is a check's name and its error.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [folder, gateway] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { FoxgloveClient } = require("@foxglove/ws-protocol");
const { WebSocket } = require("ws");
const PATIENCE_MS = 20_000;
const GAIN = "/add_two_ints_server.gain";
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const bytes = (value) => new TextEncoder().encode(JSON.stringify(value));
const values = (view) => JSON.parse(new TextDecoder().decode(view));

function within(promise, what) {
  const late = sleep(PATIENCE_MS).then(() => { throw new Error(`waited in vain for ${what}`); });
  return Promise.race([promise, late]);
}

class Viewer {
  channels = new Map();
  services = new Map();
  errors = [];
  constructor(subprotocol) {
    this.socket = new WebSocket(`ws://${gateway}/foxglove`, [subprotocol]);
    this.client = new FoxgloveClient({ ws: this.socket });
    this.client.on("error", (error) => this.errors.push(error));
    this.client.on("advertise", (all) => all.forEach((each) => this.channels.set(each.topic, each)));
    this.client.on("advertiseServices", (all) => all.forEach((each) => this.services.set(each.name, each)));
  }
  next(event, wanted = () => true) {
    const { client } = this;
    return within(new Promise((done) => {
      const listener = (found) => {
        if (wanted(found)) { client.off(event, listener); done(found); }
      };
      client.on(event, listener);
    }), event);
  }
  async channel(topic) {
    for (const end = Date.now() + PATIENCE_MS; !this.channels.has(topic); await sleep(20)) {
      if (Date.now() > end) throw new Error(`waited in vain for ${topic}`);
    }
    return this.channels.get(topic);
  }
  async message(topic) {
    const { id } = await this.channel(topic);
    const found = this.next("message", (each) => each.subscriptionId === subscription);
    const subscription = this.client.subscribe(id);
    const message = await found;
    this.client.unsubscribe(subscription);
    return message;
  }
}

const CHECKS = {
  async "what there is"(viewer, info) {
    assert.deepEqual(info.supportedEncodings, ["json"]);
    for (const each of ["clientPublish", "parameters", "parametersSubscribe", "services", "connectionGraph"]) {
      assert.ok(info.capabilities.includes(each), each);
    }
    const scan = await viewer.channel("/scan");
    assert.equal(scan.schemaName, "foxglove.LaserScan");
    assert.equal(scan.schemaEncoding, "jsonschema");
    assert.equal(JSON.parse(scan.schema).type, "object");
  },
  async "well-known messages"(viewer) {
    const { timestamp, data } = await viewer.message("/scan");
    assert.ok(timestamp > 10n ** 18n);
    const scan = values(data);
    assert.deepEqual(scan.ranges, [1.5, null, 2.5]);
    assert.equal(scan.start_angle, -1);
    const { transforms } = values((await viewer.message("/tf")).data);
    assert.equal(transforms[0].child_frame_id, "base_link");
  },
  async "a user's message"(viewer) {
    const thing = values((await viewer.message("/thing")).data);
    assert.equal(thing.name, "NaN");
    assert.equal(thing.pixels, "AP8=");
  },
  async "publish"(viewer) {
    const channel = viewer.client.advertise({ topic: "/own", encoding: "json", schemaName: "geometry_msgs/PoseStamped" });
    await viewer.channel("/own");
    const found = viewer.message("/own");
    const pose = { header: { stamp: { sec: 3, nsec: 4 } }, pose: { position: { x: 1.5 } } };
    const timer = setInterval(() => viewer.client.sendMessage(channel, bytes(pose)), 50);
    const { pose: shown, timestamp } = values((await found).data);
    clearInterval(timer);
    assert.equal(shown.position.x, 1.5);
    assert.deepEqual(timestamp, { sec: 3, nsec: 4 });
    const gone = viewer.next("unadvertise");
    viewer.client.unadvertise(channel);
    await gone;
  },
  async "a wrong message is refused in words"(viewer) {
    const channel = viewer.client.advertise({ topic: "/things", encoding: "json", schemaName: "my_msgs/Thing" });
    const status = viewer.next("status");
    viewer.client.sendMessage(channel, bytes({ weight: "heavy" }));
    const { level, message } = await status;
    assert.equal(level, 2);
    assert.match(message, /weight: expects number, got 'heavy'/);
    viewer.client.unadvertise(channel);
  },
  async "services"(viewer) {
    const { id } = viewer.services.get("/add_two_ints");
    const answer = viewer.next("serviceCallResponse");
    viewer.client.sendServiceCallRequest({ serviceId: id, callId: 7, encoding: "json", data: bytes({ a: 2, b: 40 }) });
    const response = await answer;
    assert.deepEqual([response.serviceId, response.callId, response.encoding], [id, 7, "json"]);
    assert.deepEqual(values(response.data), { sum: 42 });
    const failure = viewer.next("serviceCallFailure");
    viewer.client.sendServiceCallRequest({ serviceId: id, callId: 8, encoding: "json", data: bytes({ a: "x" }) });
    const { callId, message } = await failure;
    assert.equal(callId, 8);
    assert.match(message, /a: expects integer/);
  },
  async "parameters"(viewer) {
    const all = viewer.next("parameterValues", (each) => each.id === "all");
    viewer.client.getParameters([], "all");
    const gain = (await all).parameters.find((each) => each.name === GAIN);
    assert.equal(gain.type, "float64");
    viewer.client.subscribeParameterUpdates([GAIN]);
    const changed = viewer.next("parameterValues", (each) => each.id === undefined);
    const set = viewer.next("parameterValues", (each) => each.id === "set");
    viewer.client.setParameters([{ name: GAIN, value: gain.value === 3 ? 4 : 3 }], "set");
    assert.equal((await set).parameters[0].name, GAIN);
    assert.equal((await changed).parameters[0].name, GAIN);
    viewer.client.unsubscribeParameterUpdates([GAIN]);
    const status = viewer.next("status");
    viewer.client.setParameters([{ name: GAIN, value: 30 }], "no");
    assert.match((await status).message, /less than or equal to 10/);
  },
  async "the connection graph"(viewer) {
    const update = viewer.next("connectionGraphUpdate");
    viewer.client.subscribeConnectionGraph();
    const graph = await update;
    const scan = graph.publishedTopics.find((each) => each.name === "/scan");
    assert.deepEqual(scan.publisherIds, ["/add_two_ints_server"]);
    const served = graph.advertisedServices.find((each) => each.name === "/switch");
    assert.deepEqual(served.providerIds, ["/add_two_ints_server"]);
    viewer.client.unsubscribeConnectionGraph();
  },
  async "assets"(viewer) {
    const answer = viewer.next("fetchAssetResponse");
    viewer.client.fetchAsset("package://robot/mesh.stl", 3);
    const { requestId, status, error } = await answer;
    assert.deepEqual([requestId, status], [3, 1]);
    assert.match(error, /no assets/);
  },
};

for (const subprotocol of ["foxglove.websocket.v1", "foxglove.sdk.v1"]) {
  const viewer = new Viewer(subprotocol);
  const info = await viewer.next("serverInfo");
  const { protocol } = viewer.socket;
  for (const [name, check] of Object.entries(CHECKS)) {
    let error = protocol === subprotocol ? "" : `the subprotocol is ${protocol}`;
    try {
      await check(viewer, info);
      assert.deepEqual(viewer.errors, []);
    } catch (caught) {
      error = String(caught?.stack ?? caught);
    }
    console.log(JSON.stringify({ name: `${subprotocol}: ${name}`, error }));
  }
  viewer.client.close();
}
const refused = new WebSocket(`ws://${gateway}/foxglove`, ["foxglove.websocket.v9"]);
const outcome = await within(new Promise((done) => {
  refused.on("open", () => done("it was let in"));
  refused.on("error", () => done(""));
}), "an end");
console.log(JSON.stringify({ name: "another subprotocol is refused", error: outcome }));
setTimeout(() => process.exit(0), 100);
