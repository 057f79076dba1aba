/** Destinations in a configuration file, and which source takes which. */
import { resolve } from "node:path";
import { z } from "zod";
import { commandSource, formatName, pathText } from "./command_config.ts";
import { formatOf } from "../sources/formats/formats.ts";

/** Writes into a SQLite file. */
export interface SqliteDestinationConfig {
  readonly type: "sqlite";
  /** Absolute. */
  readonly path: string;
}

/** Appends to a file of JSON lines. */
export interface JsonlDestinationConfig {
  readonly type: "jsonl";
  /** Absolute. */
  readonly path: string;
}

/** Keeps nothing: a run only reports what it met. */
export interface NoDestinationConfig {
  readonly type: "none";
}

export type DestinationConfig =
  | SqliteDestinationConfig
  | JsonlDestinationConfig
  | NoDestinationConfig;

const path = pathText.describe("Relative to this file, or absolute");

const sqlite = z.strictObject({ type: z.literal("sqlite"), path })
  .describe("Writes into a SQLite file, which no other sync may write to");
const jsonl = z.strictObject({ type: z.literal("jsonl"), path })
  .describe("Appends records to a file of JSON lines, which no other sync may write to");
const none = z.strictObject({ type: z.literal("none") })
  .describe("Keeps no record: what counts as inserted is what a run meets for the first time");

/** The schema of a destination. */
export const destination = z.discriminatedUnion("type", [sqlite, jsonl, none]);

/** @param directory what relative paths start from */
export function destinationConfig(
  given: z.output<typeof destination>,
  directory: string,
): DestinationConfig {
  return given.type === "none" ? given : { ...given, path: resolve(directory, given.path) };
}

/**
 * Why the sync's source does not take its destination; undefined when it does, or the source is
 * unknown.
 *
 * @param sync as it is written, which may be anything
 */
export function destinationFault(sync: unknown): string | undefined {
  const { source, destination } = Object(sync) as { source?: unknown; destination?: unknown };
  const { type } = Object(source) as { type?: unknown };
  const { type: given } = Object(destination) as { type?: unknown };
  switch (type) {
    case "directory":
      if (destination === undefined) return "expected an object";
      return given === "jsonl" || given === "none"
        ? 'expected one of type "sqlite": a source of type directory needs an index'
        : undefined;
    case "redis_pubsub":
    case "outside":
      return destination === undefined ? undefined : "expected none: its source cannot be run";
    case "command":
      return destination === undefined || mayCarryRecords(source)
        ? undefined
        : "expected none: a program of this format writes by itself, and tells of no records";
    default:
      return undefined;
  }
}

/** Whether the command's format may carry records. True for a faulty one, reported elsewhere. */
function mayCarryRecords(source: unknown): boolean {
  const { data } = commandSource.safeParse(source);
  return data === undefined || formatOf(formatName(data)).carriesRecords;
}
