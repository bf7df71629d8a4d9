// What native/gemm/gemm.cpp takes of CBLAS, with the numbers of the real header.
#pragma once

enum CBLAS_ORDER { CblasRowMajor = 101 };
enum CBLAS_TRANSPOSE { CblasNoTrans = 111, CblasTrans = 112 };

extern "C" void cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE transA, CBLAS_TRANSPOSE transB, int m, int n,
                            int k, float alpha, const float* A, int lda, const float* B, int ldb, float beta,
                            float* C, int ldc);
