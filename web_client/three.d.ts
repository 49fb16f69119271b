// three.js comes without types, and may not be there at all.
declare module "three";
declare module "three/addons/loaders/GLTFLoader.js";
