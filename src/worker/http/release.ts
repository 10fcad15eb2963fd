/** The release of Worker, API and client, by https://semver.org/. It stands here alone; CHANGELOG.md says what is in it. */
export const RELEASE = '1.1.0';

/** On every answer: the version of the Worker, as in `service.version`. Absent if the platform does not name it. */
export const VERSION_HEADER = 'Gateway-Version';
