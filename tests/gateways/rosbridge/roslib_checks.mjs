// Everything that roslib can do, against a gateway, in node (roslib_in_node.mjs) and in a browser
// (roslib_in_browser.mjs): `report` is told the name and the error of each check.

export async function runChecks(ROSLIB, assert, url, report) {
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const PATIENCE_MS = 20_000;

function within(promise, what) {
  const late = sleep(PATIENCE_MS).then(() => { throw new Error(`waited in vain for ${what}`); });
  return Promise.race([promise, late]);
}

function connected() {
  const ros = new ROSLIB.Ros({ url });
  return within(new Promise((done, fail) => {
    ros.on("connection", () => done(ros));
    ros.on("error", fail);
  }), "a connection");
}

const asked = (call) => within(new Promise((done, fail) => call(done, fail)), "an answer");
// What was on its way at the end of an earlier subscription still comes, as it was asked for then.
const next = (topic, isIt = () => true) => within(
  new Promise((done) => topic.subscribe((msg) => { if (isIt(msg)) done(msg); })), `a message on ${topic.name}`);

const ros = await connected();
const other = await connected();
await asked((done, fail) => ros.getTopics((found) => done(found), fail));
const until = async (condition, what) => {
  for (const end = Date.now() + PATIENCE_MS; !(await condition()); await sleep(50)) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
  }
};
await until(async () => (await asked((d, f) => ros.getTopics(d, f))).topics.includes("/scan"), "/scan");

const topic = (name, messageType, options = {}) => new ROSLIB.Topic({ ros, name, messageType, ...options });
const service = (name, serviceType, on = ros) => new ROSLIB.Service({ ros: on, name, serviceType });
const action = (name, on = ros) =>
  new ROSLIB.Action({ ros: on, name, actionType: "example_interfaces/action/Fibonacci" });
const call = (name, type, request, on = ros) =>
  asked((done, fail) => service(name, type, on).callService(request, done, fail));
const served = (name) => until(
  async () => (await asked((d, f) => ros.getServices(d, f))).includes(name), `service ${name}`);

const CHECKS = {
  async "publish and subscribe"() {
    const name = "/example_topic";
    const writer = new ROSLIB.Topic({ ros: other, name, messageType: "std_msgs/String" });
    const reader = topic(name, "std_msgs/msg/String");
    const got = next(reader);
    writer.advertise();
    const timer = setInterval(() => writer.publish({ data: "hello" }), 50);
    assert.deepEqual(await got, { data: "hello" });
    clearInterval(timer);
    reader.unsubscribe();
    writer.unadvertise();
    await until(async () => !(await asked((d, f) => ros.getTopics(d, f))).topics.includes(name), "its end");
  },
  async "a message without a stamp has one"() {
    const name = "/stamped";
    const pose = topic(name, "geometry_msgs/PoseStamped", { latch: true });
    pose.publish({ pose: { position: { x: 1.5 } } });
    const got = await next(new ROSLIB.Topic({ ros: other, name, messageType: "geometry_msgs/PoseStamped" }));
    assert.equal(got.pose.position.x, 1.5);
    assert.equal(got.pose.orientation.w, 1);
    assert.ok(got.header.stamp.sec > 1e9);
    pose.unadvertise();
  },
  async "compression none"() {
    const scan = topic("/scan", "sensor_msgs/LaserScan");
    assert.deepEqual((await next(scan)).ranges, [1.5, null, 2.5]);
    scan.unsubscribe();
  },
  async "compression png"() {
    const scan = topic("/scan", "sensor_msgs/LaserScan", { compression: "png" });
    assert.deepEqual((await next(scan)).ranges, [1.5, null, 2.5]);
    scan.unsubscribe();
  },
  async "compression cbor"() {
    const scan = topic("/scan", "sensor_msgs/LaserScan", { compression: "cbor" });
    const { ranges } = await next(scan, (msg) => msg.ranges instanceof Float32Array);
    assert.deepEqual([...ranges], [1.5, Infinity, 2.5]);
    scan.unsubscribe();
  },
  async "cbor of a user's type"() {
    const thing = topic("/thing", "my_msgs/Thing", { compression: "cbor" });
    const got = await next(thing);
    assert.equal(got.name, "NaN");
    assert.equal(got.number, 2n ** 60n + 1n);
    assert.deepEqual([...got.pixels], [0, 255]);
    thing.unsubscribe();
  },
  async "compression cbor-raw"() {
    const scan = topic("/scan", "sensor_msgs/LaserScan", { compression: "cbor-raw" });
    const { secs, bytes } = await next(scan, (msg) => msg.bytes);
    assert.ok(secs > 1e9);
    assert.deepEqual([...bytes.slice(0, 4)], [0, 1, 0, 0]);
    scan.unsubscribe();
  },
  async "fragments"() {
    const got = within(new Promise((done) => other.on("/scan", done)), "a message");
    other.callOnConnection({ op: "subscribe", id: "f", topic: "/scan", fragment_size: 64 });
    assert.deepEqual((await got).msg.ranges, [1.5, null, 2.5]);
    other.callOnConnection({ op: "unsubscribe", id: "f", topic: "/scan" });
  },
  async "throttle"() {
    let count = 0;
    const scan = topic("/scan", "sensor_msgs/LaserScan", { throttle_rate: 500, queue_length: 1 });
    scan.subscribe(() => { count += 1; });
    await asked((done, fail) => ros.getTopics(done, fail)); // after what was on its way before
    count = 0;
    const began = Date.now();
    await sleep(2200);
    scan.unsubscribe();
    assert.ok(count >= 1 && count <= 2 + (Date.now() - began) / 500, `${count} messages`);
  },
  async "call a service"() {
    const type = "my_msgs/AddTwoInts";
    assert.deepEqual(await call("/add_two_ints", type, { a: 2, b: 40 }), { sum: 42 });
    await assert.rejects(call("/add_two_ints", type, { a: "x" }).catch((text) => Promise.reject(new Error(text))),
      /a: expects integer/);
    await assert.rejects(call("/nobody", type, {}).catch((text) => Promise.reject(new Error(text))), /no node serves/);
  },
  async "serve a service"() {
    const sync = service("/sync", "std_srvs/Trigger");
    await sync.advertise((_, response) => { response.success = true; response.message = "bar"; return true; });
    const later = service("/later", "std_srvs/SetBool");
    await later.advertiseAsync(async (request) => ({ success: request.data, message: "foo" }));
    const same = await call("/sync", "std_srvs/Trigger", {});
    assert.deepEqual(same, { success: true, message: "bar" });
    assert.deepEqual(await call("/later", "std_srvs/SetBool", { data: true }, other), { success: true, message: "foo" });
    await sync.unadvertise();
    await later.unadvertise();
    const fails = service("/fails", "std_srvs/Trigger");
    await fails.advertiseAsync(async () => { throw new Error("it is broken"); });
    await assert.rejects(call("/fails", "std_srvs/Trigger", {}, other).catch((t) => Promise.reject(new Error(t))), /broken/);
    await fails.unadvertise();
  },
  async "an action: feedback and result"() {
    const feedback = [];
    const result = await asked((done, fail) =>
      action("/fibonacci").sendGoal({ order: 5 }, done, (each) => feedback.push(each), fail));
    assert.deepEqual(result, { sequence: [0, 1, 1, 2, 3, 5] });
    assert.equal(feedback.length, 4);
    assert.deepEqual(feedback[0], { sequence: [0, 1, 1] });
  },
  async "an action: cancelled"() {
    const client = action("/fibonacci");
    const error = await asked((done, fail) => {
      const id = client.sendGoal({ order: 1000 }, fail, () => { client.cancelGoal(id); }, done);
    });
    assert.match(error, /5|cancel/i);
    const all = await asked((done, fail) => {
      client.sendGoal({ order: 1000 }, fail, () => { client.cancelAllGoals(); }, done);
    });
    assert.match(all, /5|cancel/i);
  },
  async "serve an action"() {
    const server = action("/served");
    const cancelled = [];
    server.advertise((goal, id) => {
      if (goal.order > 99) return;
      server.sendFeedback(id, { sequence: [goal.order] });
      if (goal.order < 0) server.setFailed(id);
      else server.setSucceeded(id, { sequence: [1, 2] });
    }, (id) => { cancelled.push(id); server.setCanceled(id, { sequence: [] }); });
    const client = action("/served", other);
    const feedback = [];
    const result = await asked((done, fail) =>
      client.sendGoal({ order: 3 }, done, (each) => feedback.push(each), fail));
    assert.deepEqual(result, { sequence: [1, 2] });
    assert.deepEqual(feedback, [{ sequence: [3] }]);
    await asked((done, fail) => client.sendGoal({ order: -1 }, fail, undefined, done));
    const ended = asked((done, fail) => {
      const id = client.sendGoal({ order: 100 }, fail, undefined, done);
      setTimeout(() => client.cancelGoal(id), 300);
    });
    await ended;
    assert.equal(cancelled.length, 1);
    server.unadvertise();
  },
  async "parameters"() {
    const gain = new ROSLIB.Param({ ros, name: "/add_two_ints_server:gain" });
    await asked((done, fail) => gain.set(4.5, done, fail));
    assert.equal(await asked((done, fail) => gain.get(done, fail)), 4.5);
    await assert.rejects(asked((done, fail) => gain.set(400, done, (text) => fail(new Error(text)))), /less than/);
    const own = new ROSLIB.Param({ ros, name: "/test/foo" });
    await asked((done, fail) => own.set({ a: [1] }, done, fail));
    assert.deepEqual(await asked((done, fail) => own.get(done, fail)), { a: [1] });
    const names = await asked((done, fail) => ros.getParams(done, fail));
    assert.ok(names.includes("/test/foo") && names.includes("/add_two_ints_server:gain"));
    await asked((done, fail) => own.delete(done, fail));
    assert.ok(!(await asked((done, fail) => ros.getParams(done, fail))).includes("/test/foo"));
  },
  async "rosapi"() {
    const ask = (method, ...args) => asked((done, fail) => ros[method](...args, done, fail));
    const topics = await ask("getTopics");
    assert.equal(topics.types[topics.topics.indexOf("/scan")], "sensor_msgs/msg/LaserScan");
    assert.deepEqual(await ask("getTopicsForType", "sensor_msgs/LaserScan"), ["/scan"]);
    assert.equal(await ask("getTopicType", "/scan"), "sensor_msgs/msg/LaserScan");
    assert.ok((await ask("getServices")).includes("/add_two_ints"));
    assert.deepEqual(await ask("getServicesForType", "std_srvs/SetBool"), ["/switch"]);
    assert.equal(await ask("getServiceType", "/switch"), "std_srvs/srv/SetBool");
    assert.deepEqual((await ask("getServiceRequestDetails", "std_srvs/SetBool")).typedefs[0].fieldnames, ["data"]);
    assert.deepEqual((await ask("getServiceResponseDetails", "std_srvs/SetBool")).typedefs[0].fieldnames,
      ["success", "message"]);
    assert.ok((await ask("getNodes")).includes("/add_two_ints_server"));
    assert.ok((await ask("getActionServers")).includes("/fibonacci"));
    const details = await ask("getMessageDetails", "geometry_msgs/Twist");
    assert.deepEqual(Object.keys(ros.decodeTypeDefs(details)), ["linear", "angular"]);
    const raw = await ask("getTopicsAndRawTypes");
    assert.match(raw.typedefs_full_text[raw.topics.indexOf("/scan")], /float32\[\] ranges/);
    const node = await asked((done, fail) => ros.getNodeDetails("/add_two_ints_server", done, fail));
    assert.ok(node.publishing.includes("/scan") && node.services.includes("/switch"));
    const publishers = await asked((done, fail) => topic("/scan", "sensor_msgs/LaserScan").getPublishers(done, fail));
    assert.deepEqual(publishers, ["/add_two_ints_server"]);
  },
  async "transforms"() {
    const client = new ROSLIB.ROS2TFClient({ ros, fixedFrame: "map", rate: 20 });
    const found = await within(new Promise((done) => client.subscribe("base_link", done)), "a transform");
    assert.equal(found.translation.x, 1.5);
    client.dispose();
  },
  async "a wrong message is answered and nothing breaks"() {
    const status = within(new Promise((done) => other.on("status", done)), "a status");
    const told = within(new Promise((done) => other.on("status:7", done)), "a status");
    other.callOnConnection({ op: "fly", id: "7" });
    const answer = await Promise.race([status, told]);
    assert.equal(answer.level, "error");
    await call("/switch", "std_srvs/SetBool", { data: true }, other);
  },
};

for (const [name, check] of Object.entries(CHECKS)) {
  let error = "";
  try {
    await check();
  } catch (caught) {
    error = String(caught?.stack ?? caught);
  }
  report(name, error);
}
ros.close();
other.close();
}
