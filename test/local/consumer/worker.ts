/** A Worker that deletes images through a service binding, with the client from the package. */
import { ImageGateway, ImageGatewayError } from 'bcc-image-gateway-client';

interface ConsumerEnv {
  readonly IMAGES: Fetcher;
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === '/healthz') return new Response('ok');
    const images = new ImageGateway({ fetch: (input, init) => env.IMAGES.fetch(input, init) });
    try {
      return Response.json(await images.deleteImage(pathname.slice(1)));
    } catch (error) {
      if (!(error instanceof ImageGatewayError)) throw error;
      return Response.json({ ...error }, { status: 500 });
    }
  },
} satisfies ExportedHandler<ConsumerEnv>;
