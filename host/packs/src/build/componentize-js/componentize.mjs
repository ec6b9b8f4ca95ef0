// Makes a component of a JavaScript module: what `ostro pack build` has node run.
// Arguments: the module, the WIT, the world, where the component goes.
import { writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [sourcePath, witPath, worldName, output] = process.argv.slice(-4);
const { component } = await componentize({
  sourcePath,
  witPath,
  worldName,
  // The sandbox has no network: fetch is not there either.
  disableFeatures: ["http", "fetch-event"],
});
await writeFile(output, component);
