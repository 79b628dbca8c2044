// Pictures: JPEG and PNG as they came, raw pixels drawn; bytes all the way.
import { $, options, rate } from "../dom.js";
import { graph, on, subscribe } from "../link.js";
import { layout } from "../layout.js";

const TYPES = new Set(["sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"]);
let release = null, isBusy = false, times = [];
const CHANNELS = { rgb8: [0, 1, 2, 3], bgr8: [2, 1, 0, 3], rgba8: [0, 1, 2, 4], bgra8: [2, 1, 0, 4], mono8: [0, 0, 0, 1], "8UC1": [0, 0, 0, 1], "8UC3": [2, 1, 0, 3] };
function raw(message) {
  const { width, height, encoding, step, data } = message, image = new ImageData(width, height);
  const is16 = ["mono16", "16UC1"].includes(encoding), channels = is16 ? [0, 0, 0, 2] : CHANNELS[encoding];
  if (!channels) throw new Error(`no way to show ${encoding}`);
  const [red, green, blue, size] = channels;
  let far = 1;
  if (is16) for (let k = 1; k < data.length; k += 2) far = Math.max(far, data[k]);
  for (let y = 0, to = 0; y < height; y++) for (let x = 0, from = y * (step || width * size); x < width; x++, from += size, to += 4) {
    if (is16) { image.data[to] = image.data[to + 1] = image.data[to + 2] = data[from + (message.is_bigendian ? 0 : 1)] * 255 / far; } else { image.data[to] = data[from + red]; image.data[to + 1] = data[from + green]; image.data[to + 2] = data[from + blue]; }
    image.data[to + 3] = 255;
  }
  return createImageBitmap(image);
}
async function take(message) {
  if (isBusy || !(message.data instanceof Uint8Array)) return; // the newest is drawn, others are passed over
  isBusy = true;
  try {
    const picture = await (message.format !== undefined ? createImageBitmap(new Blob([message.data])) : raw(message));
    const canvas = $("camera");
    canvas.width = picture.width; canvas.height = picture.height;
    canvas.getContext("2d").drawImage(picture, 0, 0);
    const now = performance.now();
    times = [...times.filter((each) => each > now - 2000), now];
    $("camera-note").textContent = `${picture.width} × ${picture.height}, ${message.encoding ?? message.format}, ${rate(times.length / 2)} Hz`;
    picture.close();
  } catch (error) { $("camera-note").textContent = `cannot show it: ${error.message}`; } finally { isBusy = false; }
}
export function start() {
  on("graph", () => {
    const names = graph.topics.filter((each) => TYPES.has(each.type)).map((each) => each.name);
    $("p-camera").hidden = !names.length || layout.get("hidden", []).includes("camera");
    options($("camera-topic"), names);
  });
  $("camera-topic").addEventListener("change", () => { release?.(); release = null; const topic = $("camera-topic").value; if (topic) release = subscribe(topic, take, { most: 1, hz: 15 }); });
}
