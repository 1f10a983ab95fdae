/**
 * What `decode.mjs` decodes, all of one frame: kinds of images with the files of each, below the folder of real data. `goal`: how many times
 * as fast as the peer the kind is to be decoded.
 */
export const KINDS = [
  {
    title: 'native',
    goal: 5,
    files: [
      'dicom/wg04/REF/CT1_UNC',
      'dicom/wg04/REF/MR4_UNC',
      'dicom/cornerstone3D/CTImage.dcm',
      'dicom/pydicom-data/SC_rgb.dcm',
      'sunnybrook/dicoms/SCD0000101/48.dcm',
    ],
  },
  {
    title: 'big-endian',
    files: ['dicom/pydicom/MR_small_expb.dcm', 'dicom/pydicom-data/SC_rgb_expb_16bit.dcm'],
  },
  { title: 'deflated', files: ['dicom/pydicom/image_dfl.dcm'] },
  {
    title: 'RLE',
    goal: 1,
    files: [
      'dicom/wg04/RLE/CT2_RLE',
      'dicom/wg04/RLE/MR1_RLE',
      'dicom/wg04/RLE/MR3_RLE',
      'dicom/pydicom/SC_rgb_rle_16bit.dcm',
      'dicom/pydicom-data/OBXXXX1A_rle.dcm',
    ],
  },
  {
    title: 'JPEG 2000',
    goal: 0.7,
    files: [
      'dicom/wg04/J2KR/MR1_J2KR',
      'dicom/wg04/J2KR/MR4_J2KR',
      'dicom/wg04/J2KR/VL1_J2KR',
      'dicom/wg04/J2KI/MR3_J2KI',
      'dicom/pydicom-data/US1_J2KI.dcm',
    ],
  },
  {
    title: 'JPEG-LS',
    goal: 0.7,
    files: [
      'dicom/wg04/JLSL/MR4_JLSL',
      'dicom/wg04/JLSL/XA1_JLSL',
      'dicom/wg04/JLSN/CT2_JLSN',
      'dicom/pydicom-data/JLSL_RGB_ILV2.dcm',
    ],
  },
  { title: 'HTJ2K', files: ['dicom/derived/CT1_HTJ2K.201.dcm', 'dicom/derived/MR1_HTJ2K.201.dcm'] },
  {
    title: 'JPEG',
    files: [
      'dicom/pydicom/SC_jpeg_no_color_transform.dcm',
      'dicom/pylibjpeg-data/JPEGExtended/JPEGExtended_3s_1f_u_08_08.dcm',
      'dicom/wg04/JPLY/MR1_JPLY',
    ],
  },
  { title: 'lossless JPEG', files: ['dicom/wg04/JPLL/MR1_JPLL', 'dicom/dcm4che/CT-JPEGLosslessSV1.dcm'] },
];
