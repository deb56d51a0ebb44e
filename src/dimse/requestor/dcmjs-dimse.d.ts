declare module "dcmjs-dimse" {
  const dcmjsDimse: unknown;
  // biome-ignore lint/style/noDefaultExport: that is how the package exports
  export default dcmjsDimse;
}
