/** Vite imports a file as text if `?raw` follows its name. */
declare module '*?raw' {
  const text: string;
  export default text;
}
