/** A Worker that passes requests on to the gateway, through a service binding. */
interface CallerEnv {
  readonly IMAGES: Fetcher;
}

export default {
  fetch: (request, { IMAGES }) => IMAGES.fetch(request),
} satisfies ExportedHandler<CallerEnv>;
