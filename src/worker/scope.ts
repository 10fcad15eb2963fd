/** The permissions that a caller can have. */

export const SCOPES = ['images:delete', 'images:read', 'deletions:read', 'metrics:read'] as const;
export type Scope = (typeof SCOPES)[number];
