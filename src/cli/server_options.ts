/** The options of a server, and what a running one offers. */
import type { KeyStore } from "../auth/key_store.ts";
import type { SignInStore } from "../auth/sign_in_store.ts";
import type { Clock } from "../clock.ts";
import type { Target } from "../jobs/notify/target.ts";
import type { ConfiguredSync } from "../jobs/sync_config.ts";
import type { DataDirectory, ServerNote } from "../log/data_directory.ts";
import type { AuthConfig } from "./auth_config.ts";
import type { ServerSettings } from "./server_settings.ts";

/** The settings that a server goes by: all but those of the command that starts it. */
export type ServedSettings = Omit<ServerSettings, "config" | "json" | "logLevel">;

export interface ServerOptions extends ServedSettings {
  readonly auth?: AuthConfig;
  readonly syncs: readonly ConfiguredSync[];
  /**
   * Whether it stays: it runs syncs by their schedules, reports overdue ones, listens to feeds and
   * removes old jobs. A server that a command starts for itself does none of that.
   */
  readonly resident?: boolean;
  /**
   * The notification targets; what it throws ends the start. Left out, notifications wait for a
   * server that has targets.
   */
  readonly notify?: () => readonly Target[];
  /** As in RunOptions, for whoever has the server for its own run alone. */
  readonly onUnended?: (cause: unknown) => void;
  /** Limit of the log's size, in pages of 4 KiB; none when left out. */
  readonly pagesMax?: number;
  readonly clock: Clock;
  /** Told in words, beside the server's log, that the start brings the log up to date first. */
  readonly onUpgrade?: (words: string) => void;
  /** Called when all but the listener is ready; what it throws ends the start. */
  readonly beforeListening?: (parts: { readonly keys: KeyStore }) => void;
}

/** A server that accepts connections. */
export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** What other commands may know of it, once `directory` announces it. */
  readonly note: ServerNote;
  readonly directory: DataDirectory;
  readonly keys: KeyStore;
  /** For links that sign a browser in. */
  readonly signIns: SignInStore;
  /** Replaces the syncs, and the targets when they are given. */
  reload(syncs: readonly ConfiguredSync[], notify?: readonly Target[]): Promise<void>;
  /** Ends running jobs as cancelled, sends viewers away, and closes everything. */
  stop(): Promise<void>;
}
