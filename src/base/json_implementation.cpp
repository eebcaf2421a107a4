// The one place where the non-template parts of Boost.JSON are compiled. Not the distribution's library: that is one
// section, so that whoever parses JSON also gets its stream operators, and with them every locale of the C++ library.
#include <boost/json/src.hpp>
