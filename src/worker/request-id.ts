/** The one grammar of a request id: it can harm neither a header nor a log line. */
export const REQUEST_ID = /^[\w.-]{1,64}$/;
export const REQUEST_ID_RULE = '1 to 64 letters, digits, "_", "." or "-"';
