/** The part of the official SDK that the tests use; its own declarations do not compile as a module. */
declare module '@baiducloud/sdk' {
  class BccClient {
    constructor(config: { endpoint: string; credentials: { ak: string; sk: string } });
    sendRequest(method: string, path: string, options: object): Promise<unknown>;
  }
  const sdk: { BccClient: typeof BccClient };
  export default sdk;
}
