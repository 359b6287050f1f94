// Entry: wires the parts to the page, and again after each swap. Pages work without any of this.
import { swaps } from "./swap.js";
import { keys } from "./keys.js";
import { copies } from "./copy.js";
import { brush } from "./brush.js";
import { suggestions } from "./suggest.js";
import { tail } from "./tail.js";
import { walls } from "./wall.js";

function dress(root) {
  copies(root);
  brush(root);
  suggestions(root);
  tail(dress);
  walls(root);
}

swaps(dress);
keys();
dress(document);
