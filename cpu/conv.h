/* How a convolution is cut into tasks.
 *
 * All kinds of convolution are sums over channels and taps of x at a place that depends on the result's
 * place u and the tap k. A task copies the part of x that its places need into scratch, padded with zeros
 * and, where the convolution strides, with every stride-th value in a plane of its own ("slot"). There,
 * the values of one tap for successive places lie side by side, so a product kernel reads them with one
 * offset per tap and nothing is copied once per tap. A transposed convolution writes every stride-th place
 * with its own subset of taps ("phase"); each phase is a convolution of that kind without stride. */
#ifndef WK_CPU_CONV_H
#define WK_CPU_CONV_H

#include "cpu/kernel.h"
#include "cpu/simd.h"

/* Register tiles: rows of the result (channels) by vectors of places. */
#if defined __AVX512F__
#define CONV_TILES(X)                                                                                        \
    X(1, 8)                                                                                                  \
    X(2, 4)                                                                                                  \
    X(3, 4) X(4, 4) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2) X(13, 2) X(14, 2)
enum { CONV_ROWS = 14, CONV_DOT_ROWS = 4, CONV_DOT_TAPS = 6 };
#else
#define CONV_TILES(X) X(1, 8) X(2, 4) X(3, 2) X(4, 2) X(5, 2) X(6, 2)
enum { CONV_ROWS = 6, CONV_DOT_ROWS = 4, CONV_DOT_TAPS = 2 };
#endif
enum {
    CONV_K = 256,     /* taps that a product takes at once of gathered places, */
    CONV_FAR = 576,   /* and of places where they lie */
    CONV_STRIP = 4,   /* most tiles that it does so for */
    CONV_VECTORS = 8, /* most vectors of a tile */
    DEPTH_ROWS = 8    /* of a depthwise one */
};

struct conv {
    const void *data;                 /* of x */
    wk_tensor   x, w, bias, y;        /* conv_weight: y is the gradient of the result, w the output */
    bool        turned;               /* transposed */
    bool        pairs;                /* values of the copy are two channels of bf16 each */
    int64_t     images, groups, c, m; /* values of a place in the copy, channels of a group in y */
    int64_t     channels;             /* of a group in x */
    int64_t     in[3], ker[3], out[3], stride[3], pad[3], dil[3];
    int64_t     along[3]; /* strides of x, in elements */
    int64_t     taps;     /* of one channel */
    int64_t     reach[3]; /* places between the first tap and the last */
    int64_t     slots[3], phases;
    /* tasks: images and places of one, and how many there are */
    int64_t band[4], bands[4];
    int64_t ext[3];  /* of one slot in the copy */
    int64_t channel; /* one channel, and */
    int64_t image;   /* one image in the copy */
    bool    whole;   /* x itself can be read in place of a copy */
    bool    depth;   /* one channel in: no product of matrices */
    bool    pack;    /* gather the places of a tile before the product */
    int64_t workers; /* threads, */
    int64_t tasks;   /* and tasks that there should be: how places are cut changes no sum */
    int64_t strip;   /* tiles that share the weights in cache */
    int64_t panels;  /* of rows; in */
    int64_t blocks;  /* which are tasks of their own */
    int64_t chunks;  /* conv_weight: parts of images and bands that are summed apart */
    /* scratch, in bytes */
    size_t weights, packed, offsets, steps, partial, worker, worker_bytes;
};

/* Every stride-th place of the result. */
struct conv_phase {
    int64_t r[3], first[3], count[3]; /* remainder; places u: the result's place is stride u + r - pad */
    int64_t taps, before;             /* taps it sums, and those of the phases before it */
};

struct conv_part {
    int64_t           group, image, images, first[3], count[3], block;
    struct conv_phase phase;
};

/* Columns of a tile that lie side by side in the copy and evenly in the result. */
struct conv_segment {
    int64_t col, n, from, to;
};

#endif
