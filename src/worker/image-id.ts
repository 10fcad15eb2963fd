/**
 * The only grammar of an image id.
 *
 * Every known id is `m-` and 8 characters. The grammar must exclude `/ . % ? #` and other prefixes, with which an id could name
 * something else at Baidu.
 */
declare const checked: unique symbol;
/** A string that `isImageId` has accepted. */
export type ImageId = string & { readonly [checked]: true };

export const IMAGE_ID = /^m-[A-Za-z0-9]{6,32}$/;
export const IMAGE_ID_RULE = '"m-" and 6 to 32 ASCII letters or digits';

/** A valid id that no image has: Baidu's ids have 8 characters after the prefix. */
export const ID_OF_NO_IMAGE = `m-${'0'.repeat(32)}` as ImageId;

export function isImageId(text: string): text is ImageId {
  return IMAGE_ID.test(text);
}
