;; The inner loops of the reduction, in WebAssembly SIMD. `npm run build:kernel` makes kernel-module.ts of this file.
;; plane-kernel.ts says what each computes, in plain TypeScript; wasm-kernel.ts lays out the memory. All offsets and
;; strides are bytes. Loops work on whole vectors and may read and write up to 64 bytes past an end: regions leave room.
(module
  (import "env" "memory" (memory 1))

  ;; dst[i] = min(max(multiply · stored[i] + add, low), high), and 0 where stored[i] is padding.
  ;; `toggle` 0x8000 makes unsigned values signed, `bias` 32768 undoes it; padding bounds are toggled too.
  (func (export "convert")
    (param $src i32) (param $end i32) (param $dst i32) (param $toggle i32) (param $bias i32)
    (param $multiply f32) (param $add f32) (param $low f32) (param $high f32)
    (param $padLow i32) (param $padHigh i32)
    (local $v v128) (local $isPadding v128)
    (local $toggles v128) (local $biases v128) (local $factors v128) (local $addends v128)
    (local $lows v128) (local $highs v128) (local $padLows v128) (local $padHighs v128)
    (local.set $toggles (i16x8.splat (local.get $toggle)))
    (local.set $biases (i32x4.splat (local.get $bias)))
    (local.set $factors (f32x4.splat (local.get $multiply)))
    (local.set $addends (f32x4.splat (local.get $add)))
    (local.set $lows (f32x4.splat (local.get $low)))
    (local.set $highs (f32x4.splat (local.get $high)))
    (local.set $padLows (i16x8.splat (local.get $padLow)))
    (local.set $padHighs (i16x8.splat (local.get $padHigh)))
    (loop $next
      (local.set $v (v128.xor (v128.load (local.get $src)) (local.get $toggles)))
      (local.set $isPadding
        (v128.and
          (i16x8.ge_s (local.get $v) (local.get $padLows))
          (i16x8.le_s (local.get $v) (local.get $padHighs))))
      (v128.store (local.get $dst)
        (v128.andnot
          (f32x4.pmin (local.get $highs)
            (f32x4.pmax (local.get $lows)
              (f32x4.add (local.get $addends)
                (f32x4.mul (local.get $factors)
                  (f32x4.convert_i32x4_s
                    (i32x4.add (local.get $biases) (i32x4.extend_low_i16x8_s (local.get $v))))))))
          (i32x4.extend_low_i16x8_s (local.get $isPadding))))
      (v128.store offset=16 (local.get $dst)
        (v128.andnot
          (f32x4.pmin (local.get $highs)
            (f32x4.pmax (local.get $lows)
              (f32x4.add (local.get $addends)
                (f32x4.mul (local.get $factors)
                  (f32x4.convert_i32x4_s
                    (i32x4.add (local.get $biases) (i32x4.extend_high_i16x8_s (local.get $v))))))))
          (i32x4.extend_high_i16x8_s (local.get $isPadding))))
      (local.set $dst (i32.add (local.get $dst) (i32.const 32)))
      (local.set $src (i32.add (local.get $src) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $src) (local.get $end)))))

  ;; line[c] = sum over t of weight[t] · row[t][c], 16 columns at a time.
  (func $sumRows
    (param $row i32) (param $stride i32) (param $weight i32) (param $weightEnd i32)
    (param $line i32) (param $lineEnd i32)
    (local $p i32) (local $w i32) (local $factor v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (loop $columns
      (local.set $p (local.get $row))
      (local.set $w (local.get $weight))
      (local.set $a (v128.const i32x4 0 0 0 0))
      (local.set $b (v128.const i32x4 0 0 0 0))
      (local.set $c (v128.const i32x4 0 0 0 0))
      (local.set $d (v128.const i32x4 0 0 0 0))
      (loop $taps
        (local.set $factor (v128.load32_splat (local.get $w)))
        (local.set $a (f32x4.add (local.get $a)
          (f32x4.mul (local.get $factor) (v128.load (local.get $p)))))
        (local.set $b (f32x4.add (local.get $b)
          (f32x4.mul (local.get $factor) (v128.load offset=16 (local.get $p)))))
        (local.set $c (f32x4.add (local.get $c)
          (f32x4.mul (local.get $factor) (v128.load offset=32 (local.get $p)))))
        (local.set $d (f32x4.add (local.get $d)
          (f32x4.mul (local.get $factor) (v128.load offset=48 (local.get $p)))))
        (local.set $p (i32.add (local.get $p) (local.get $stride)))
        (local.set $w (i32.add (local.get $w) (i32.const 4)))
        (br_if $taps (i32.lt_u (local.get $w) (local.get $weightEnd))))
      (v128.store (local.get $line) (local.get $a))
      (v128.store offset=16 (local.get $line) (local.get $b))
      (v128.store offset=32 (local.get $line) (local.get $c))
      (v128.store offset=48 (local.get $line) (local.get $d))
      (local.set $row (i32.add (local.get $row) (i32.const 64)))
      (local.set $line (i32.add (local.get $line) (i32.const 64)))
      (br_if $columns (i32.lt_u (local.get $line) (local.get $lineEnd)))))

  ;; Four outputs at a time: dst[o] = sum over t of weight[o][t] · line[start[o] + t]. The weights of four outputs lie
  ;; together: for each four taps, those of output 0, 1, 2 and 3.
  (func $sumAlong
    (param $line i32) (param $start i32) (param $startEnd i32) (param $weight i32) (param $weightBytes i32)
    (param $dst i32)
    (local $p i32) (local $q i32) (local $r i32) (local $s i32) (local $weightEnd i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (loop $outputs
      (local.set $p (i32.add (local.get $line) (i32.load (local.get $start))))
      (local.set $q (i32.add (local.get $line) (i32.load offset=4 (local.get $start))))
      (local.set $r (i32.add (local.get $line) (i32.load offset=8 (local.get $start))))
      (local.set $s (i32.add (local.get $line) (i32.load offset=12 (local.get $start))))
      (local.set $weightEnd (i32.add (local.get $weight) (local.get $weightBytes)))
      (local.set $a (f32x4.mul (v128.load (local.get $weight)) (v128.load (local.get $p))))
      (local.set $b (f32x4.mul (v128.load offset=16 (local.get $weight)) (v128.load (local.get $q))))
      (local.set $c (f32x4.mul (v128.load offset=32 (local.get $weight)) (v128.load (local.get $r))))
      (local.set $d (f32x4.mul (v128.load offset=48 (local.get $weight)) (v128.load (local.get $s))))
      (local.set $weight (i32.add (local.get $weight) (i32.const 64)))
      (block $done
        (loop $taps
          (br_if $done (i32.ge_u (local.get $weight) (local.get $weightEnd)))
          (local.set $p (i32.add (local.get $p) (i32.const 16)))
          (local.set $q (i32.add (local.get $q) (i32.const 16)))
          (local.set $r (i32.add (local.get $r) (i32.const 16)))
          (local.set $s (i32.add (local.get $s) (i32.const 16)))
          (local.set $a (f32x4.add (local.get $a)
            (f32x4.mul (v128.load (local.get $weight)) (v128.load (local.get $p)))))
          (local.set $b (f32x4.add (local.get $b)
            (f32x4.mul (v128.load offset=16 (local.get $weight)) (v128.load (local.get $q)))))
          (local.set $c (f32x4.add (local.get $c)
            (f32x4.mul (v128.load offset=32 (local.get $weight)) (v128.load (local.get $r)))))
          (local.set $d (f32x4.add (local.get $d)
            (f32x4.mul (v128.load offset=48 (local.get $weight)) (v128.load (local.get $s)))))
          (local.set $weight (i32.add (local.get $weight) (i32.const 64)))
          (br $taps)))
      ;; Lanes of a, b, c, d are summed into lanes 0, 1, 2, 3.
      (local.set $a (f32x4.add
        (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $a) (local.get $b))
        (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $a) (local.get $b))))
      (local.set $c (f32x4.add
        (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $c) (local.get $d))
        (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $c) (local.get $d))))
      (v128.store (local.get $dst) (f32x4.add
        (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $c))
        (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $a) (local.get $c))))
      (local.set $dst (i32.add (local.get $dst) (i32.const 16)))
      (local.set $start (i32.add (local.get $start) (i32.const 16)))
      (br_if $outputs (i32.lt_u (local.get $start) (local.get $startEnd)))))

  ;; dst = Y · values · X: first down the rows, into one line that stays in the nearest cache, then along it.
  (func (export "reduce")
    (param $values i32) (param $stride i32) (param $line i32)
    (param $yStart i32) (param $yStartEnd i32) (param $yWeight i32) (param $yWeightBytes i32)
    (param $xStart i32) (param $xStartEnd i32) (param $xWeight i32) (param $xWeightBytes i32)
    (param $dst i32) (param $dstStride i32)
    (loop $rows
      (call $sumRows
        (i32.add (local.get $values) (i32.load (local.get $yStart)))
        (local.get $stride)
        (local.get $yWeight)
        (i32.add (local.get $yWeight) (local.get $yWeightBytes))
        (local.get $line)
        (i32.add (local.get $line) (local.get $stride)))
      (call $sumAlong
        (local.get $line)
        (local.get $xStart) (local.get $xStartEnd)
        (local.get $xWeight) (local.get $xWeightBytes)
        (local.get $dst))
      (local.set $dst (i32.add (local.get $dst) (local.get $dstStride)))
      (local.set $yWeight (i32.add (local.get $yWeight) (local.get $yWeightBytes)))
      (local.set $yStart (i32.add (local.get $yStart) (i32.const 4)))
      (br_if $rows (i32.lt_u (local.get $yStart) (local.get $yStartEnd)))))

  ;; dst[i] += weight · src[i]
  (func (export "mix")
    (param $dst i32) (param $src i32) (param $end i32) (param $weight f32)
    (local $factor v128)
    (local.set $factor (f32x4.splat (local.get $weight)))
    (loop $next
      (v128.store (local.get $dst) (f32x4.add (v128.load (local.get $dst))
        (f32x4.mul (local.get $factor) (v128.load (local.get $src)))))
      (v128.store offset=16 (local.get $dst) (f32x4.add (v128.load offset=16 (local.get $dst))
        (f32x4.mul (local.get $factor) (v128.load offset=16 (local.get $src)))))
      (v128.store offset=32 (local.get $dst) (f32x4.add (v128.load offset=32 (local.get $dst))
        (f32x4.mul (local.get $factor) (v128.load offset=32 (local.get $src)))))
      (v128.store offset=48 (local.get $dst) (f32x4.add (v128.load offset=48 (local.get $dst))
        (f32x4.mul (local.get $factor) (v128.load offset=48 (local.get $src)))))
      (local.set $dst (i32.add (local.get $dst) (i32.const 64)))
      (local.set $src (i32.add (local.get $src) (i32.const 64)))
      (br_if $next (i32.lt_u (local.get $src) (local.get $end)))))
)
