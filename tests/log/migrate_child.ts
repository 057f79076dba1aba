/** One of several processes that open the same file at once; see migrate.test.ts. */
import process from "node:process";
import { openVersioned, type VersionedSchema } from "../../src/log/migrate.ts";

const [path, schema] = process.argv.slice(2);
const parsed: VersionedSchema = JSON.parse(schema);
openVersioned(path, parsed).close();
