/** The part of the official SDK that tests and benchmarks use. The SDK's own declarations do not compile as a module. */
declare module '@baiducloud/sdk' {
  class BccClient {
    constructor(config: { endpoint: string; credentials: { ak: string; sk: string } });
    sendRequest(method: string, path: string, options: object): Promise<unknown>;
  }
  const sdk: { BccClient: typeof BccClient };
  export default sdk;
}

declare module '@baiducloud/sdk/src/auth.js' {
  export default class Auth {
    constructor(accessKeyId: string, secretAccessKey: string);
    generateAuthorization(
      method: string,
      path: string,
      query: object,
      headers: Readonly<Record<string, string>>,
      timestamp: number | undefined,
      expirationInSeconds: number,
      headersToSign: readonly string[],
    ): string;
  }
}
