/** The only grammar of a request id, safe for headers and log lines. */
export const REQUEST_ID = /^[\w.-]{1,64}$/;
export const REQUEST_ID_RULE = '1 to 64 letters, digits, "_", "." or "-"';
