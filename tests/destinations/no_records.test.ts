import { recordContract } from "../support/record_contract.ts";

recordContract("none");
