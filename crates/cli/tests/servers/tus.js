// Uploads a file with tus-js-client in each of its modes. Arguments: the folder of its modules, the server's URL, a key,
// a workspace's id, the file. Each mode makes a file of its name; what it cannot do ends the program.

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { Readable } = require("node:stream");

const [modules, url, key, workspace, file] = process.argv.slice(2);
const tus = require(path.join(modules, "tus-js-client"));
const content = fs.readFileSync(file);
const MIB = 1024 * 1024;

function options(filename) {
  return {
    endpoint: `${url}/v1/uploads`,
    headers: { Authorization: `Bearer ${key}` },
    metadata: { filename, workspace, filetype: "application/x-trial" },
    retryDelays: null,
  };
}

function upload(filename, more, source = content) {
  return new Promise((resolve, reject) => {
    const end = { onSuccess: resolve, onError: reject };
    new tus.Upload(source, { ...options(filename), ...more, ...end }).start();
  });
}

/** The content bit by bit: of a file's own stream the client sometimes misses the end. */
function* pieces() {
  for (let at = 0; at < content.length; at += MIB) yield content.subarray(at, at + MIB);
}

/** Stops an upload somewhere in the middle, and has another one go on with it. */
async function resumed(filename) {
  const begun = await new Promise((resolve, reject) => {
    const first = new tus.Upload(content, {
      ...options(filename),
      chunkSize: MIB,
      onProgress: (sent) => {
        if (sent > 2 * MIB + MIB / 2) first.abort().then(() => resolve(first.url), reject);
      },
      onSuccess: () => reject(new Error("it was not stopped")),
      onError: reject,
    });
    first.start();
  });
  let found = null;
  await upload(filename, {
    uploadUrl: begun,
    chunkSize: MIB,
    onAfterResponse: (request, response) => {
      if (request.getMethod() === "HEAD") found = Number(response.getHeader("Upload-Offset"));
    },
  });
  assert(found >= 2 * MIB && found < content.length, `it went on at ${found}`);
}

async function main() {
  await upload("js-plain", {});
  await upload("js-chunked", { chunkSize: MIB });
  await upload("js-parallel", { parallelUploads: 4 });
  await upload("js-with-creation", { uploadDataDuringCreation: true, chunkSize: 3 * MIB });
  await upload("js-deferred", { uploadLengthDeferred: true, chunkSize: MIB }, Readable.from(pieces()));
  await upload("js-override", { overridePatchMethod: true, chunkSize: 2 * MIB });
  await resumed("js-resumed");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
