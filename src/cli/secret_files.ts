/** Finds files of secrets that others may read or write. */
import { ownFiles } from "../system/own_files.ts";
import { ownProcess } from "../system/own_process.ts";
import type { ServerSettings } from "./server_settings.ts";

type SecretFiles = Pick<ServerSettings, "keysFile" | "ticketSecretFile" | "tlsKey">;

const READ_BY_OTHERS = 0o044;
const WRITTEN_BY_OTHERS = 0o022;

/**
 * Warnings for each file that others may write, or that is ours and others may read.
 *
 * Docker and Kubernetes mount secrets readable for all, owned by root: their mode is not ours to
 * change, and nobody else is in the container.
 *
 * @param uid ours; undefined when the system has none: then there are no warnings
 */
export function openSecretFiles(
  { keysFile, ticketSecretFile, tlsKey }: SecretFiles,
  uid: number | undefined = ownProcess.uid(),
): string[] {
  if (uid === undefined) return [];
  const files = {
    "--keys-file": keysFile,
    "--ticket-secret-file": ticketSecretFile,
    "--tls-key": tlsKey,
  };
  return Object.entries(files).flatMap(([flag, path]) => {
    const file = path === undefined ? undefined : ownFiles.stat(path);
    if (!file) return [];
    const does = file.mode & WRITTEN_BY_OTHERS
      ? "write"
      : file.mode & READ_BY_OTHERS && file.uid === uid
      ? "read"
      : undefined;
    if (does === undefined) return [];
    const mode = (file.mode & 0o777).toString(8).padStart(4, "0");
    return [`${flag} ${path}: nobody else may ${does} it, but its mode is ${mode}: chmod 600 it`];
  });
}
