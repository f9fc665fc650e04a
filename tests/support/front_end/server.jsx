// Serves pages on loopback, on the port that PORT names; /health is for whoever balances, and so is
// Volto's /ok. A page takes as many milliseconds as ?takes= says.
import { createServer } from "node:http";
import { renderToString } from "react-dom/server";
import { Page } from "./page.jsx";

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  if (pathname === "/health" || pathname === "/ok") {
    response.writeHead(200, { "Content-Type": "text/plain" }).end("ok\n");
    return;
  }
  setTimeout(() => {
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
    response.end("<!DOCTYPE html>" + renderToString(<Page path={pathname} />));
  }, Number(searchParams.get("takes")));
});

server.listen(Number(process.env.PORT), "127.0.0.1", () =>
  console.log(`serving on ${process.env.PORT}`),
);

// A stop lets requests finish.
process.on("SIGTERM", () => server.close(() => process.exit(0)));
