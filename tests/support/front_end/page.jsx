// One page, rendered on the server.
export function Page({ path }) {
  return (
    <html lang="en">
      <head>
        <title>Front end</title>
      </head>
      <body>
        <h1>{`Rendered for ${path}`}</h1>
      </body>
    </html>
  );
}
