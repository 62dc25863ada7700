"""Fits the polynomials of cpu/vmath.h: weighted least squares on Chebyshev nodes, reweighted towards minimax."""
import mpmath as mp, numpy as np
mp.mp.dps=40
def fit(f,lo,hi,deg,w=None,n=None):
    # lstsq on Chebyshev nodes w/ iterative reweighting (Lawson) -> near minimax
    n=n or 12*(deg+1)
    k=np.arange(n); xs=[(mp.mpf(lo)+hi)/2+(mp.mpf(hi)-lo)/2*mp.cos(mp.pi*(2*int(i)+1)/(2*n)) for i in k]
    ys=[f(x) for x in xs]; ws=[(w(x) if w else mp.mpf(1)) for x in xs]
    xd=np.array([float(x) for x in xs]);
    m=max(abs(float(lo)),abs(float(hi)))
    A=np.vander(xd/m,deg+1,increasing=True).astype(np.longdouble); yd=np.array([np.longdouble(str(y)) for y in ys]); wd=np.array([np.longdouble(str(x)) for x in ws])
    lw=np.ones(n)
    for it in range(60):
        W=np.sqrt(lw)*wd.astype(float)
        c=np.linalg.lstsq((A*W[:,None]).astype(float),(yd*W).astype(float),rcond=None)[0]
        for _ in range(2):
            r=(yd-A@c)*W; c=c+np.linalg.lstsq((A*W[:,None]).astype(float),r.astype(float),rcond=None)[0]
        e=np.abs((yd-A@c)*wd).astype(float); lw=lw*(e/e.mean()+1e-3); lw/=lw.mean()
    print("max err %.3g"%e.max())
    return [float(ci)/m**i for i,ci in enumerate(c)]
def show(name,c): print(name, ", ".join("%.9ef"%np.float32(x) for x in c))
L=mp.log(2)/2
show("expm1: (e^r-1-r)/r^2 deg4", fit(lambda r:(mp.e**r-1-r)/r**2 if r!=0 else mp.mpf(.5), -L*1.01,L*1.01,4,lambda r:r*r))
s=mp.sqrt(2)
show("log: (log(1+f)-f+f^2/2)/f^3 deg", fit(lambda f:(mp.log(1+f)-f+f*f/2)/f**3 if f!=0 else mp.mpf(1)/3, 1/s-1,s-1,8,lambda f:abs(f**3/mp.log(1+f)) ))
show("erf small in z=x^2 (erf(x)/x-1) [0,1]", fit(lambda z:(mp.erf(mp.sqrt(z))/mp.sqrt(z)-1 if z!=0 else 2/mp.sqrt(mp.pi)-1),0,1,6))
show("-log erfc on [1,4] in x-1", fit(lambda x:mp.log(mp.erfc(x+mp.mpf(1))),0,3,8,lambda x:mp.erfc(x+1)))
P=mp.pi/4
show("sin: (sin r - r)/r^3 in z", fit(lambda z:(mp.sin(mp.sqrt(z))/mp.sqrt(z)-1)/z if z!=0 else -mp.mpf(1)/6,0,P*P,3,lambda z:z))
show("cos: (cos-1+z/2)/z^2", fit(lambda z:(mp.cos(mp.sqrt(z))-1+z/2)/z**2 if z!=0 else mp.mpf(1)/24,0,P*P,3,lambda z:z*z))
for n,v in(("ln2",mp.log(2)),("pio2",mp.pi/2)):
    hi=np.float32(float(v)); b=hi.view(np.uint32)& np.uint32(0xfffff000 if n=="ln2" else 0xffffffff); hi=np.uint32(b).view(np.float32)
    print(n,float(hi).hex(),"%.9e"%hi,"lo %.9e"%float(v-mp.mpf(float(hi))))
