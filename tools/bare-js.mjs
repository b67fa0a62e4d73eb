/**
 * A plugin of `nest build`: the JavaScript in `dist` has no comments. They are in its source maps and, where users
 * need them, in the declarations; a third time they were a tenth of the tarball. `removeComments` of the compiler
 * would take those of the declarations too.
 */
import ts from 'typescript';

const BARE = ts.EmitFlags.NoComments | ts.EmitFlags.NoNestedComments;

export const after = () => () => (file) => ts.setEmitFlags(file, BARE);
