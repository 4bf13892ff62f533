/**
 * Something that was met on the way and changes what a result means, though it does not stop the work: files that were
 * left out, a part of the data that was not used, a head that begins anew. It stands in results, in events and in
 * `--json` as it is.
 */
export interface Note {
  /** A stable name of the kind, in small letters with hyphens, such as `files-not-read`; messages may change, this does not. */
  readonly code: string;
  /** A sentence for a person, which names the files, folders or options that are concerned. */
  readonly message: string;
}
