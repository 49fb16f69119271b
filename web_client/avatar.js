// The fitted head in 3D: its GLB, moved by the stream's ARKit weights and head pose. It needs three.js, which may be absent
// (`make web` fetches it), so avatar_pane.js imports this file only when somebody wants to see the head.

import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

/** @typedef {import("./protocol").Params} Params */

const FIELD_OF_VIEW = 22; // degrees, upright
const FILLS = 0.88; // of the picture's height, by the head
const LEAN = 0.5; // of the head's true way from where it mostly is
const FARTHEST_M = 0.07;
const SETTLES = 0.02; // of the way, each frame, that "where it mostly is" follows
const EASE = 0.15; // of the way back to rest, each frame without a face

export class Avatar {
  mirrored = true;
  #canvas;
  #renderer;
  #scene = new THREE.Scene();
  #camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW, 1, 0.1, 20);
  #root = new THREE.Group(); // turned and moved as the head is
  /** @type {any} */ #mesh = null;
  /** @type {number[]} */ #order = []; // of the mesh's morph targets among the stream's weights
  /** @type {string[]} */ #names = [];
  #home = new THREE.Vector3(); // where the head mostly is
  #found = false;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#renderer = new THREE.WebGLRenderer({ canvas, alpha: true, antialias: true });
    this.#renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    this.#renderer.toneMapping = THREE.ACESFilmicToneMapping;
    this.#renderer.toneMappingExposure = 1.15;
    this.#scene.add(this.#root, ...lights());
    new ResizeObserver(() => this.#fit()).observe(canvas);
  }

  get loaded() {
    return this.#mesh !== null;
  }

  /** Names of the stream's weights, in their order. @param {string[]} names */
  set names(names) {
    this.#names = names;
    this.#match();
  }

  /** Show this head instead of the last one. @param {ArrayBuffer} glb */
  async load(glb) {
    const { scene } = await new GLTFLoader().parseAsync(glb, "");
    const mesh = scene.getObjectByProperty("isMesh", true);
    if (!mesh?.morphTargetDictionary) throw new Error("expected a head with morph targets, got none");
    this.clear();
    const box = new THREE.Box3().setFromBufferAttribute(mesh.geometry.getAttribute("position")); // without its morphs
    const centre = box.getCenter(new THREE.Vector3());
    mesh.position.copy(centre).negate();
    this.#mesh = mesh;
    this.#root.add(mesh);
    const height = box.max.y - box.min.y;
    this.#camera.position.z = height / FILLS / 2 / Math.tan(THREE.MathUtils.degToRad(FIELD_OF_VIEW / 2));
    this.#match();
    this.#fit();
  }

  /** Let go of the head. */
  clear() {
    if (!this.#mesh) return;
    this.#root.remove(this.#mesh);
    this.#mesh.geometry.dispose();
    this.#mesh.material.map?.dispose();
    this.#mesh.material.dispose();
    this.#mesh = null;
    this.#found = false;
    this.#renderer.render(this.#scene, this.#camera);
  }

  /** @param {Params | null} params without a face, the head comes to rest */
  draw(params) {
    if (!this.#mesh) return;
    const { camera = null, blendshapes = null } = params ?? {};
    const weights = this.#mesh.morphTargetInfluences;
    this.#order.forEach((from, target) => {
      weights[target] = blendshapes ? (blendshapes[from] ?? 0) : weights[target] * (1 - EASE);
    });
    if (camera) this.#place(camera);
    else this.#rest();
    this.#root.scale.x = this.mirrored ? -1 : 1;
    this.#renderer.render(this.#scene, this.#camera);
  }

  /** OpenCV's axes (y down, z forward) to three's: both are turned over. @param {import("./protocol").CameraPose} pose */
  #place({ rotation: [w, x, y, z], translation }) {
    const there = new THREE.Vector3(translation[0], -translation[1], -translation[2]);
    if (!this.#found) this.#home.copy(there);
    this.#found = true;
    this.#home.lerp(there, SETTLES);
    this.#root.position.subVectors(there, this.#home).multiplyScalar(LEAN).clampLength(0, FARTHEST_M);
    this.#root.quaternion.set(w, -z, y, -x);
    if (!this.mirrored) return;
    this.#root.position.x *= -1;
    this.#root.quaternion.set(w, z, -y, -x);
  }

  #rest() {
    this.#found = false;
    this.#root.position.multiplyScalar(1 - EASE);
    this.#root.quaternion.slerp(new THREE.Quaternion(), EASE);
  }

  #match() {
    const dictionary = /** @type {Record<string, number>} */ (this.#mesh?.morphTargetDictionary ?? {});
    this.#order = [];
    for (const [name, target] of Object.entries(dictionary)) this.#order[target] = this.#names.indexOf(name);
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width || !height) return;
    this.#renderer.setSize(width, height, false);
    this.#camera.aspect = width / height;
    this.#camera.zoom = Math.min(1, width / height / 0.8); // a narrow pane shows the whole head, too
    this.#camera.updateProjectionMatrix();
    this.#renderer.render(this.#scene, this.#camera);
  }
}

/** Warm from one side, a cool rim from behind on the other. */
function lights() {
  const sky = new THREE.HemisphereLight("#dfeee9", "#33241c", 1.3);
  const key = new THREE.DirectionalLight("#fff1e2", 2.3);
  const rim = new THREE.DirectionalLight("#7ff2c4", 1.3);
  key.position.set(-1.2, 1.4, 2.2);
  rim.position.set(2, 0.8, -2.6);
  return [sky, key, rim];
}
