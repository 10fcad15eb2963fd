/** The types of today's client, which took nothing away from those of 1.0.0. */
export { ImageGateway } from '../../../src/client/index.ts';
