/** The defined terms of Modality, retired ones included (DICOM PS3.3, section C.7.3.1.1.1). */
const MODALITIES: ReadonlySet<string> = new Set(
  `ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL IVOCT IVUS
  KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG RTDOSE
  RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA
  XAPROTOCOL XC AS CD CF CP CS DD DF DM DS EC FA FS LP MA MS OPR ST TCPROTO VF`.split(/\s+/),
);

/**
 * Returns a modality if it is a defined term, else null: any other text may be something that a file has in
 * the wrong place, as a name.
 */
export function definedModality(modality: string | null): string | null {
  return modality !== null && MODALITIES.has(modality) ? modality : null;
}
