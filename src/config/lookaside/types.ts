/** What registries.d says about one namespace. */
export interface LookasideSection {
  /** The address of the store: `file://` and an absolute path, `https://` or `http://`. */
  readonly lookaside: URL | undefined;
  /** Whether signatures that are attached to images in the registry are looked for; undefined: it does not say. */
  readonly useSigstoreAttachments: boolean | undefined;
}

/** The files of registries.d, merged. */
export interface LookasideRules {
  /** For images that no other section is for. */
  readonly defaultSection: LookasideSection | undefined;
  /** By a name, repository, namespace or host, as `referenceScopes` lists them. */
  readonly sections: ReadonlyMap<string, LookasideSection>;
}

export const NO_LOOKASIDE_RULES: LookasideRules = { defaultSection: undefined, sections: new Map() };
