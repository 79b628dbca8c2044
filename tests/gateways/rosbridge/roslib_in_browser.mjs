// In a page, bundled with roslib: the results of the checks go to the server of the page.
import * as ROSLIB from "roslib";
import { runChecks } from "./roslib_checks.mjs";

const plain = (value) =>
  JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${each}n` : each === Infinity ? "inf" : each));

const assert = {
  ok(value, what) {
    if (!value) throw new Error(what ?? "it is not so");
  },
  equal(one, other) {
    assert.ok(Object.is(one, other), `${one} is not ${other}`);
  },
  deepEqual(one, other) {
    assert.ok(plain(one) === plain(other), `${plain(one)} is not ${plain(other)}`);
  },
  match(text, pattern) {
    assert.ok(pattern.test(text), `${text} does not match ${pattern}`);
  },
  async rejects(promise, pattern) {
    let text = null;
    try {
      await promise;
    } catch (error) {
      text = String(error);
    }
    assert.ok(text !== null, "it was not refused");
    assert.match(text, pattern);
  },
};

const results = [];
const url = new URLSearchParams(location.search).get("url");
try {
  await runChecks(ROSLIB, assert, url, (name, error) => results.push({ name, error }));
} catch (error) {
  results.push({ name: "to begin", error: String(error?.stack ?? error) });
}
await fetch("/results", { method: "POST", body: JSON.stringify(results) });
