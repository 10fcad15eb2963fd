/** On every response: the version of the Worker, as in `service.version`. Absent if the platform does not name it. */
export const VERSION_HEADER = 'Gateway-Version';
