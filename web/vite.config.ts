/* How the UI is built: hashed files below assets/ (cached for ever by the server), one chunk for each page, and a brotli form
 * beside each file, which Python's library cannot make. */
import react from '@vitejs/plugin-react';
import tailwindcss from '@tailwindcss/vite';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

const server = process.env.SKERRY_URL ?? 'http://127.0.0.1:8001';

function brotli(): Plugin {
  return {
    name: 'brotli',
    apply: 'build',
    closeBundle() {
      for (const entry of readdirSync('dist', { recursive: true, encoding: 'utf8' })) {
        if (!/\.(js|css|html|svg|json)$/.test(entry)) continue;
        const bytes = readFileSync(join('dist', entry));
        const packed = brotliCompressSync(bytes, {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
        });
        writeFileSync(join('dist', `${entry}.br`), packed);
      }
    },
  };
}

const EARLY = '/src/api/early.ts';

/** What every page is made of, and all that this needs, is one file, not eight: a browser has six connections to a server. */
function chunkOf(id: string): string | undefined {
  if (id.endsWith(EARLY)) return 'early';
  return /\/src\/(ui\/index|app\/Shell|api\/useJob|i18n\/server\/index)\.tsx?$/.test(id) ? 'frame' : undefined;
}

/** The overview is where nearly everybody arrives: its files are asked for with the first one, not after it has run, and what it
 * shows before all of them (early.ts). */
function overviewAtOnce(): Plugin {
  return {
    name: 'overview-at-once',
    apply: 'build',
    buildStart() {
      this.emitFile({ type: 'chunk', id: EARLY, name: 'early' });
    },
    transformIndexHtml: {
      order: 'post',
      handler(_, { bundle }) {
        const chunks = Object.values(bundle ?? {}).filter((file) => file.type === 'chunk');
        const page = chunks.find((chunk) => chunk.facadeModuleId?.endsWith('/pages/overview/Overview.tsx'));
        const early = chunks.find((chunk) => chunk.facadeModuleId?.endsWith(EARLY));
        if (!page || !early || early.imports.length) throw new Error('the overview has no file of its own, or early.ts none alone');
        const entry = chunks.find((chunk) => chunk.isEntry && chunk !== early);
        const known = [entry?.fileName, ...(entry?.imports ?? [])]; // Vite has them preloaded
        const link = (tag: string, attrs: Record<string, string | true>) => ({ tag, attrs: { ...attrs, crossorigin: true } });
        return [
          { ...link('script', { type: 'module', async: true, src: `/ui/${early.fileName}` }), injectTo: 'head-prepend' as const },
          ...[page.fileName, ...page.imports]
            .filter((file) => !known.includes(file))
            .map((file) => ({ ...link('link', { rel: 'modulepreload', href: `/ui/${file}` }), injectTo: 'head' as const })),
        ];
      },
    },
  };
}

export default defineConfig({
  base: '/ui/',
  plugins: [react(), tailwindcss(), overviewAtOnce(), brotli()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // the policy allows data: for images only
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: { output: { manualChunks: chunkOf } },
  },
  server: {
    // Everything but the UI itself is the running program's. It refuses foreign origins, so the proxy drops the header.
    proxy: {
      '^/(?!ui/)': {
        target: server,
        changeOrigin: true,
        configure: (proxy) => proxy.on('proxyReq', (request) => request.removeHeader('origin')),
      },
    },
  },
});
