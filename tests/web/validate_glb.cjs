// Khronos' glTF validator over files: prints its reports as one JSON list.
const fs = require("fs");
const validator = require("gltf-validator");

const reports = process.argv.slice(2).map((file) => validator.validateBytes(new Uint8Array(fs.readFileSync(file))));
Promise.all(reports).then((all) => console.log(JSON.stringify(all)));
