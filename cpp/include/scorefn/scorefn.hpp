// All of scorefn.
#pragma once

#include <scorefn/categorical.hpp>
#include <scorefn/config.hpp>
#include <scorefn/credit.hpp>
#include <scorefn/errors.hpp>
#include <scorefn/gradient.hpp>
#include <scorefn/interrupt.hpp>
#include <scorefn/objectives.hpp>
#include <scorefn/ragged.hpp>
#include <scorefn/segments.hpp>
#include <scorefn/softmax.hpp>
#include <scorefn/threads.hpp>
