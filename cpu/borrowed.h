/* What an instruction set borrows from another one, so that the program stays small: code that memory or
 * libm bounds, or that is seldom asked for. The build says who lends:
 *
 *   WK_SET_256     kernels and conversions listed here: a set with longer vectors gains little by its own
 *   WK_SET_OF_F64  kernels called for f64: the table names them, none is compiled here
 *   WK_SET_OF_I64  kernels called for the integers, likewise
 *
 * Undefined: the set has its own. */
#ifndef WK_CPU_BORROWED_H
#define WK_CPU_BORROWED_H

#if defined WK_SET_256
#define FROM_fft                         , WK_SET_256
#define FROM_fft_scratch                 , WK_SET_256
#define FROM_max_pool                    , WK_SET_256
#define FROM_max_pool_scratch            , WK_SET_256
#define FROM_avg_pool                    , WK_SET_256
#define FROM_avg_pool_scratch            , WK_SET_256
#define FROM_avg_pool_vjp                , WK_SET_256
#define FROM_avg_pool_vjp_scratch        , WK_SET_256
#define FROM_unpool                      , WK_SET_256
#define FROM_unpool_scratch              , WK_SET_256
#define FROM_resize                      , WK_SET_256
#define FROM_resize_scratch              , WK_SET_256
#define FROM_cholesky                    , WK_SET_256
#define FROM_cholesky_scratch            , WK_SET_256
#define FROM_det                         , WK_SET_256
#define FROM_det_scratch                 , WK_SET_256
#define FROM_inv                         , WK_SET_256
#define FROM_inv_scratch                 , WK_SET_256
#define FROM_lu_factor                   , WK_SET_256
#define FROM_lu_factor_scratch           , WK_SET_256
#define FROM_lu_order                    , WK_SET_256
#define FROM_lu_solve                    , WK_SET_256
#define FROM_lu_solve_scratch            , WK_SET_256
#define FROM_solve                       , WK_SET_256
#define FROM_solve_scratch               , WK_SET_256
#define FROM_solve_triangular            , WK_SET_256
#define FROM_solve_triangular_scratch    , WK_SET_256
#define FROM_eig                         , WK_SET_256
#define FROM_eig_scratch                 , WK_SET_256
#define FROM_eigh                        , WK_SET_256
#define FROM_eigh_scratch                , WK_SET_256
#define FROM_geqrf                       , WK_SET_256
#define FROM_geqrf_scratch               , WK_SET_256
#define FROM_householder_product         , WK_SET_256
#define FROM_householder_product_scratch , WK_SET_256
#define FROM_lstsq                       , WK_SET_256
#define FROM_lstsq_scratch               , WK_SET_256
#define FROM_qr                          , WK_SET_256
#define FROM_qr_scratch                  , WK_SET_256
#define FROM_svd                         , WK_SET_256
#define FROM_svd_scratch                 , WK_SET_256
#define FROM_attend_vjp                  , WK_SET_256
#define FROM_attend_vjp_scratch          , WK_SET_256
#define FROM_index_put                   , WK_SET_256
#define FROM_index_put_scratch           , WK_SET_256
#define FROM_scatter                     , WK_SET_256
#define FROM_scatter_add                 , WK_SET_256
#define FROM_scatter_add_scratch         , WK_SET_256
#define FROM_scatter_reduce              , WK_SET_256
#define FROM_scatter_reduce_scratch      , WK_SET_256
#define FROM_quantize_q2_k               , WK_SET_256
#define FROM_quantize_q3_k               , WK_SET_256
#define FROM_quantize_q4_k               , WK_SET_256
#define FROM_quantize_q5_k               , WK_SET_256
#define FROM_quantize_q6_k               , WK_SET_256
#define FROM_quantize_q4_0               , WK_SET_256
#define FROM_quantize_q4_1               , WK_SET_256
#define FROM_quantize_q5_0               , WK_SET_256
#define FROM_quantize_q5_1               , WK_SET_256
#define FROM_quantize_q8_0               , WK_SET_256
#define FROM_quantize_iq4_nl             , WK_SET_256
#define FROM_quantize_iq4_xs             , WK_SET_256
#define FROM_quantize_mxfp4              , WK_SET_256
#define FROM_dequantize_q2_k             , WK_SET_256
#define FROM_dequantize_q3_k             , WK_SET_256
#define FROM_dequantize_q4_k             , WK_SET_256
#define FROM_dequantize_q5_k             , WK_SET_256
#define FROM_dequantize_q6_k             , WK_SET_256
#define FROM_dequantize_q4_0             , WK_SET_256
#define FROM_dequantize_q4_1             , WK_SET_256
#define FROM_dequantize_q5_0             , WK_SET_256
#define FROM_dequantize_q5_1             , WK_SET_256
#define FROM_dequantize_q8_0             , WK_SET_256
#define FROM_dequantize_iq4_nl           , WK_SET_256
#define FROM_dequantize_iq4_xs           , WK_SET_256
#define FROM_dequantize_mxfp4            , WK_SET_256
#define FROM_grid_sample                 , WK_SET_256
#define FROM_grid_sample_scratch         , WK_SET_256
#define FROM_grid_sample_vjp             , WK_SET_256
#define FROM_grid_sample_vjp_scratch     , WK_SET_256
#define FROM_col2im                      , WK_SET_256
#define FROM_col2im_scratch              , WK_SET_256
#define FROM_im2col                      , WK_SET_256
#define FROM_im2col_scratch              , WK_SET_256
#define FROM_random                      , WK_SET_256
#define FROM_nonzero                     , WK_SET_256
#define FROM_nonzero_scratch             , WK_SET_256
#define FROM_searchsorted                , WK_SET_256
#define FROM_sort_scratch                , WK_SET_256
#define FROM_sort                        , WK_SET_256
#define FROM_topk_scratch                , WK_SET_256
#define FROM_topk                        , WK_SET_256
#define FROM_bad_index                   , WK_SET_256
#define FROM_embedding_rows              , WK_SET_256
#define FROM_gather                      , WK_SET_256
#define FROM_index_scratch               , WK_SET_256
#define FROM_index_select_scratch        , WK_SET_256
#define FROM_index_select                , WK_SET_256
#define FROM_index                       , WK_SET_256
#define FROM_to_f64                      , WK_SET_256
#define FROM_to_i64                      , WK_SET_256
#define FROM_from_f64                    , WK_SET_256
#define FROM_from_i64                    , WK_SET_256
#endif

#endif
