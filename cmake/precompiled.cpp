// Holds the precompiled headers of cmake/belay.cmake, which a target of its own has to own.
