// What a page without a stream and without anything of its own asks for.
import { still } from "./still.js";

still();
