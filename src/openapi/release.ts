/** The release of Worker, API and client, by https://semver.org/. It stands here alone; CHANGELOG.md says what is in it. */
export const RELEASE = '1.1.0';
