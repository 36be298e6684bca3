/** The version of this package. */
export const version: string = __NOPROP_VERSION__
