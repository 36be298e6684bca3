/** The package's version, put in by tsup and vitest. */
declare const __NOPROP_VERSION__: string
