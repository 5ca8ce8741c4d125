// SPDX-License-Identifier: Apache-2.0

// Makes the requests that stand on its input by node-mailjet, one after the other, and prints the answers.
const { Client } = require("node-mailjet");

const [host, apiKey, apiSecret] = process.argv.slice(2);
const mailjet = new Client({ apiKey, apiSecret, config: { host, version: "v3" } });

async function run(call) {
  let request = mailjet[call.method](call.resource, { version: call.version || "v3" });
  if (call.id) request = request.id(call.id);
  if (call.action) request = request.action(call.action);
  try {
    const { response, body } = await request.request(call.body, call.params);
    return { status: response.status, body };
  } catch (e) {
    return { status: e.statusCode || 0, message: e.message, body: e.response ? e.response.data : null };
  }
}

let input = "";
process.stdin.on("data", (b) => (input += b));
process.stdin.on("end", async () => {
  const answers = [];
  for (const call of JSON.parse(input)) answers.push(await run(call));
  process.stdout.write(JSON.stringify(answers));
});
