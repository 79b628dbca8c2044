// node roslib_in_node.mjs NODE_MODULES HOST:PORT; each line is a check's name and its error.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { runChecks } from "./roslib_checks.mjs";

const [folder, gateway] = process.argv.slice(2);
const ROSLIB = await import(pathToFileURL(`${folder}/roslib/dist/RosLib.js`));
await runChecks(ROSLIB, assert, `ws://${gateway}/rosbridge`, (name, error) => {
  console.log(JSON.stringify({ name, error }));
});
setTimeout(() => process.exit(0), 100);
