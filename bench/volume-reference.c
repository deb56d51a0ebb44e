/*
 * The reduction of bench/volume.ts as a C loop: stored values to HU, down the rows, along the rows, then along z.
 * Weights come from standard input, as volume.ts writes them; slices from a file of a few frames, taken in turn.
 *
 *   cc -O3 -march=native -fopenmp-simd volume-reference.c -o volume-reference
 *   volume-reference FRAMES FRAME_COUNT < WEIGHTS
 *
 * Prints CPU seconds: in-plane, along z.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
  int outputs, taps;
  int32_t *start;
  float *weight;
} Weights;

static void *need(size_t bytes) {
  void *p = NULL;
  if (posix_memalign(&p, 64, bytes + 256) != 0) exit(2);
  memset(p, 0, bytes + 256);
  return p;
}

static void take(void *to, size_t size, size_t count) {
  if (fread(to, size, count, stdin) != count) exit(3);
}

static Weights take_weights(void) {
  Weights w;
  take(&w.outputs, 4, 1);
  take(&w.taps, 4, 1);
  w.start = need(w.outputs * sizeof(int32_t));
  w.weight = need((size_t)w.outputs * w.taps * sizeof(float));
  take(w.start, 4, w.outputs);
  take(w.weight, 4, (size_t)w.outputs * w.taps);
  return w;
}

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void to_hu(const int16_t *restrict stored, float *restrict hu, int n, float slope, float intercept, int pad) {
  for (int i = 0; i < n; i++) {
    float value = stored[i] * slope + intercept;
    value = value < -32768.f ? -32768.f : value;
    value = value > 32767.f ? 32767.f : value;
    hu[i] = stored[i] == pad ? -1024.f : value;
  }
}

static void down(const float *restrict hu, int columns, const Weights *y, int row, float *restrict line) {
  memset(line, 0, columns * sizeof(float));
  for (int t = 0; t < y->taps; t++) {
    float w = y->weight[row * y->taps + t];
    const float *from = hu + (size_t)(y->start[row] + t) * columns;
    for (int c = 0; c < columns; c++) line[c] += w * from[c];
  }
}

static void along(const float *restrict line, const Weights *x, float *restrict out) {
  for (int o = 0; o < x->outputs; o++) {
    const float *from = line + x->start[o], *w = x->weight + (size_t)o * x->taps;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int t = 0; t < x->taps; t++) sum += from[t] * w[t];
    out[o] = sum;
  }
}

static void mix(float *restrict to, const float *restrict plane, size_t n, float w) {
  for (size_t i = 0; i < n; i++) to[i] += w * plane[i];
}

int main(int count, char **arguments) {
  if (count != 3) return 1;
  int32_t size[3];
  take(size, 4, 3);
  const int slices = size[0], rows = size[1], columns = size[2], frames = atoi(arguments[2]);
  Weights x = take_weights(), y = take_weights(), z = take_weights();
  const size_t pixels = (size_t)rows * columns, plane = (size_t)y.outputs * x.outputs;
  int16_t *stored = need(pixels * frames * 2);
  FILE *file = fopen(arguments[1], "rb");
  if (file == NULL || fread(stored, 2, pixels * frames, file) != pixels * frames) return 4;
  fclose(file);
  float *hu = need(pixels * 4), *line = need(columns * 4), *reduced = need(plane * 4);
  float *volume = need(z.outputs * plane * 4);
  double in_plane = 0, along_z = 0, from = cpu(), to;
  for (int k = 0; k < slices; k++) {
    to_hu(stored + pixels * (k % frames), hu, (int)pixels, 1, -1024, -2000);
    for (int row = 0; row < y.outputs; row++) {
      down(hu, columns, &y, row, line);
      along(line, &x, reduced + (size_t)row * x.outputs);
    }
    to = cpu();
    in_plane += to - from;
    from = to;
    for (int o = 0; o < z.outputs; o++) {
      int t = k - z.start[o];
      if (t < 0 || t >= z.taps || z.weight[o * z.taps + t] == 0) continue;
      mix(volume + o * plane, reduced, plane, z.weight[o * z.taps + t]);
    }
    to = cpu();
    along_z += to - from;
    from = to;
  }
  double sum = 0;
  for (size_t i = 0; i < z.outputs * plane; i += 997) sum += volume[i];
  printf("%.6f %.6f %.3f\n", in_plane, along_z, sum);
  return 0;
}
