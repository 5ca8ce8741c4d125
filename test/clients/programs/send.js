// SPDX-License-Identifier: Apache-2.0
// nodemailer with a pool of five connections: what all programs here send, see send_test.go.
const fs = require("fs");
const nodemailer = require(process.argv[2]);
const e = process.env;

const pool = nodemailer.createTransport({
  pool: true, maxConnections: 5, host: e.HOST, port: Number(e.PORT),
  requireTLS: true, tls: { ca: fs.readFileSync(e.CA) }, auth: { user: e.APIKEY, pass: e.SECRET },
});
const from = "Jürgen <a@example.com>";

async function main() {
  await pool.sendMail({ from, to: "node-1@example.net", subject: "plain by node", text: e.PLAIN });
  await pool.sendMail({
    from, to: "node-2@example.net", cc: "node-3@example.net", bcc: "node-4@example.net", subject: "Grüße von node",
    text: fs.readFileSync(e.TEXT, "utf-8"),
    attachments: [{ filename: "Anhang ü.bin", content: fs.readFileSync(e.ATTACHMENT) }],
  });
  try {
    await pool.sendMail({ envelope: { from: "a@example.com", to: ["bad..address@@example.net"] }, from, subject: "refused", text: "x" });
    console.log("a bad address was taken");
  } catch (x) {
    console.log("refused as it should be:", x.message);
  }
  const many = Array.from({ length: 100 }, (_, i) =>
     pool.sendMail({ from, to: `node-many${i}@example.net`, subject: `many ${i}`, text: `mail ${i}\n` }));
  await Promise.all(many);
  await pool.sendMail({ from, to: "node-after@example.net", subject: "after node", text: "after" });
  pool.close();
}
main().catch((x) => { console.error(x); process.exit(1); });
