/** The release of Worker, API and client (https://semver.org/). Defined only here; CHANGELOG.md describes it. */
export const RELEASE = '1.1.0';
