#include "server/api/shapes/embedded.hpp"

// The assembler copies the files in: no generated source, and no compile time for 140 KB of text.
__asm__(
    ".section .rodata.belay_shapes,\"a\",@progbits\n"
    "belay_ssm_shapes: .incbin \"" BELAY_SHAPES_DIR
    "/ssm.shapes\"\n"
    "belay_ssm_shapes_end:\n"
    "belay_belay_shapes: .incbin \"" BELAY_SHAPES_DIR
    "/belay.shapes\"\n"
    "belay_belay_shapes_end:\n"
    ".globl belay_ssm_shapes, belay_ssm_shapes_end, belay_belay_shapes, belay_belay_shapes_end\n"
    ".previous\n");

extern "C" {
extern const char belay_ssm_shapes[], belay_ssm_shapes_end[], belay_belay_shapes[], belay_belay_shapes_end[];
}

namespace belay::server::shapes {

std::string_view embedded_ssm_shapes() { return {belay_ssm_shapes, belay_ssm_shapes_end}; }
std::string_view embedded_belay_shapes() { return {belay_belay_shapes, belay_belay_shapes_end}; }

}  // namespace belay::server::shapes
